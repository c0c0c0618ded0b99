"""SOPS files read in process: what is refused, and that nothing is taken for whole that is not."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.sops.documents import Metadata, format_of, read, sops_of
from gateway_secrets.sops.errors import MalformedError, NotSopsError, SopsError, UnsupportedError
from gateway_secrets.sops.opened import data_key
from gateway_secrets.sops.program import told
from gateway_secrets.sops.rules import rule_for, rules_of
from gateway_secrets.sops.selection import selection
from gateway_secrets.sops.values import decrypt, plain_bytes

META = "sops: {mac: x, lastmodified: '2026-01-01T00:00:00Z', age: []}\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"),
        (False, "False"),
        (7, "7"),
        (0.1, "0.1"),
        (5.0, "5"),
        (1e21, "1" + "0" * 21),
        (1.5e-7, "0.00000015"),
        ("x", "x"),
    ],
)
def test_bytes_of_plain_values(value: str | float, text: str) -> None:
    """As Go writes them: booleans in title case, floats without an exponent."""
    assert plain_bytes(value) == text.encode()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: b\n", NotSopsError),
        ("- a\n", NotSopsError),
        ("a: [\n", MalformedError),
        ("sops: {mac: x}\n", MalformedError),
        ("sops: {mac: x, lastmodified: y, encrypted_comment_regex: z}\n", UnsupportedError),
        ("a: 1\na: 2\n" + META, UnsupportedError),
        ("<<: {a: b}\n" + META, UnsupportedError),
        ("a: &a [*a]\n" + META, MalformedError),
    ],
)
def test_what_is_refused(text: str, error: type[SopsError]) -> None:
    """No SOPS file, one that is broken, and one that only sops should read are three things."""
    with pytest.raises(error):
        read(text.encode(), "yaml")


@given(data=st.binary(max_size=300), name=st.sampled_from(["a.yaml", "a.json", "a.env", "a.ini", "a"]))
def test_any_bytes(data: bytes, name: str) -> None:
    """Whatever the bytes: a file, or an error of this package."""
    with contextlib.suppress(SopsError):
        read(data, format_of(name))


@given(text=st.text(max_size=80))
def test_any_value(text: str) -> None:
    """What is not built as an encrypted value is an error that does not hold it."""
    if not text:
        assert decrypt(text, b"k" * 32, "a:").data == b""
        return
    with pytest.raises(SopsError) as raised:
        decrypt(text, b"k" * 32, "a:")
    assert len(text) < 4 or text not in str(raised.value)


def test_selection_by_names() -> None:
    """Suffixes and patterns, in the order in which sops lets them decide."""

    def chosen(path: tuple[str, ...], **fields: str) -> bool:
        return selection(Metadata("", "", **fields))(path)  # type: ignore[arg-type]

    assert chosen(("a", "b"))
    assert not chosen(("a_plain", "b"), unencrypted_suffix="_plain")
    assert not chosen(("a",), encrypted_suffix="_secret")
    assert chosen(("a_secret",), encrypted_suffix="_secret")
    assert not chosen(("a", "b"), encrypted_regex="^c$")
    assert chosen(("a", "c"), encrypted_regex="^c$", unencrypted_regex="^a$")
    assert not chosen(("a", "c"), unencrypted_regex="^a$")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(?=a)b", "a*b*c*d*e*f*", "(", "(a|b)*c"])
def test_patterns_that_are_left_to_sops(pattern: str) -> None:
    """What Python may read otherwise than Go, or may take for ever, is not judged here."""
    with pytest.raises(UnsupportedError):
        selection(Metadata("", "", encrypted_regex=pattern))


def test_the_first_rule_that_matches_holds() -> None:
    """By path from the folder of the configuration; one without a pattern is about every file."""
    rules = rules_of(
        {
            "creation_rules": [
                {"path_regex": r"prod/.*\.yaml$", "age": "age1a,age1b"},
                {"key_groups": [{"age": ["age1c"]}]},
            ]
        },
        source="x",
    )
    first = rule_for(rules, "prod/a.yaml")
    assert first is not None
    assert first.keys == {"age1a", "age1b"}
    other = rule_for(rules, "dev/a.yaml")
    assert other is not None
    assert other.keys == {"age1c"}
    assert rule_for(rules[:1], "dev/a.yaml") is None
    for wrong in ({}, {"creation_rules": {}}, {"creation_rules": [1]}, {"creation_rules": [{"key_groups": 1}]}):
        with pytest.raises(MalformedError):
            rules_of(wrong, source="x")


def test_keys_of_rules_are_those_of_files() -> None:
    """However a rule writes a key, it is the same text as of the file that was encrypted for it."""
    flat = {
        "age": ["age1a"], "kms": "arn:aws:kms:a:1:key/k+arn:aws:iam::1:role/r, arn:b", "pgp": "AB CD",
        "gcp_kms": "projects/p", "hc_vault_transit_uri": "https://v/v1/transit/keys/k",
        "azure_keyvault": "https://a.example.net/keys/k/123",
    }  # fmt: skip
    group = {
        "age": ["age1a"], "kms": [{"arn": "arn:aws:kms:a:1:key/k", "role": "r"}, {"arn": "arn:b"}], "pgp": ["ABCD"],
        "gcp_kms": [{"resource_id": "projects/p"}], "hc_vault": ["https://v/v1/transit/keys/k"],
        "azure_keyvault": [{"vaultUrl": "https://a.example.net", "key": "k", "version": "1"}],
    }  # fmt: skip
    entries = {
        "age": [{"recipient": "age1a", "enc": ""}], "kms": [{"arn": "arn:aws:kms:a:1:key/k"}, {"arn": "arn:b"}],
        "pgp": [{"fp": "ABCD"}], "gcp_kms": [{"resource_id": "projects/p"}],
        "hc_vault": [{"vault_address": "https://v", "engine_path": "transit", "key_name": "k"}],
        "azure_kv": [{"vault_url": "https://a.example.net", "name": "k", "version": "1"}],
    }  # fmt: skip
    one, other = rules_of({"creation_rules": [flat, {"key_groups": [group]}]}, source="x")
    data = json.dumps({"sops": {"mac": "x", "lastmodified": "y", **entries}}).encode()
    assert one.keys == other.keys == read(data, "json").metadata.keys
    assert len(one.keys) == 7


def test_data_keys_that_are_split() -> None:
    """Files and rules with several key groups are left to sops, whatever else they are."""
    text = "sops: {mac: x, lastmodified: y, key_groups: [{age: []}, {age: []}]}\n"
    with pytest.raises(UnsupportedError, match="key groups"):
        data_key(read(text.encode(), "yaml").metadata, [])
    (rule,) = rules_of({"creation_rules": [{"key_groups": [{"age": ["a"]}, {"age": ["b"]}]}]}, source="x")
    assert rule.split


def test_flat_metadata() -> None:
    """dotenv and INI have one level: names say where a value belongs; those that contradict each other are refused."""
    text = "sops_mac=x\nsops_lastmodified=y\nsops_kms__list_0__map_arn=a\nsops_kms__list_0__map_context__map_k=v\n"
    assert sops_of(text.encode(), "dotenv")["kms"] == [{"arn": "a", "context": {"k": "v"}}]
    for wrong in ("sops_a=1\nsops_a__map_b=2\n", "sops_a__list_x=1\n", f"sops_a{'__map_b' * 9}=1\n"):
        with pytest.raises(MalformedError):
            sops_of((text + wrong).encode(), "dotenv")


def test_complaints_without_what_they_quote() -> None:
    """What a program quotes may be a value."""
    assert told(b'time="x" level=fatal msg="cannot read `hunter2` here"') == "cannot read … here"
    assert told(b"yaml: unknown anchor 'hunter2' referenced") == "yaml: unknown anchor … referenced"
    assert told(b"") == "it failed and said nothing"
