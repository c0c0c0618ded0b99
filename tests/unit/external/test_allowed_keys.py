"""Which namespaces may read which keys."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.external.allowed import Allowed, AllowedError, Rule, allowed_of, canonical
from gateway_secrets.external.store import store_of


def test_rules() -> None:
    """A namespace and a key of the same rule; nothing else."""
    allowed = allowed_of(
        '[{"namespaces":["team-*"],"keys":["{namespace}/**","common"]},{"namespaces":["ops"],"keys":["*/token?"]}]'
    )
    assert allowed.allows("team-a", "team-a/db/prod")
    assert allowed.allows("team-a", "common")
    assert not allowed.allows("team-a", "team-b/db")
    assert not allowed.allows("team-a", "team-a")
    assert not allowed.allows("ops", "common")
    assert allowed.allows("ops", "x/token1")
    assert not allowed.allows("ops", "x/y/token1")
    assert not allowed.allows("ops", "x/token/")


@pytest.mark.parametrize("text", ["", "{}", '[{"namespaces":["a"]}]', '[{"namespaces":["a"],"keys":["b"],"c":1}]'])
def test_what_cannot_be_read_allows_nothing(text: str) -> None:
    """It is an error, not an empty list."""
    with pytest.raises(AllowedError):
        allowed_of(text)


_PATTERN = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "?", "."]), min_size=1, max_size=8).map("".join)
_KEY = st.text("ab/.", max_size=8)


@given(_PATTERN, _KEY)
def test_patterns_match_as_their_meaning_says(pattern: str, key: str) -> None:
    """Compared with a regular expression that is built the plain way."""
    parts = re.findall(r"\*\*|\*|\?|.", pattern)
    plain = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    expected = re.fullmatch("".join(plain.get(part, re.escape(part)) for part in parts), key) is not None
    assert Allowed((Rule(("n",), (pattern,)),)).allows("n", key) is expected


def test_many_stars_take_no_time() -> None:
    """A pattern is a tenant's text: one that a backtracking matcher would never end with is over at once."""
    assert not Allowed((Rule(("n",), ("**a" * 300,)),)).allows("n", "a" * 299 + "b" * 700)


@pytest.mark.parametrize("key", ["team-b/db", "/team-b/db", "kv/team-b/db", "kv/data/team-b/db", "team-b/db/"])
def test_a_secret_of_vault_has_one_name(key: str) -> None:
    """However it is written: a namespace called as the mount must not reach others' secrets by its own name."""
    spec = {"server": "https://vault", "path": "kv", "auth": {"tokenSecretRef": {"name": "t"}}}
    assert canonical("vault", spec, key) == "team-b/db"


def test_without_a_mount_it_begins_with_it() -> None:
    """The mount is part of each key then."""
    spec = {"server": "https://vault", "auth": {"tokenSecretRef": {"name": "t"}}}
    assert canonical("vault", spec, "kv/data/team-b/db") == canonical("vault", spec, "kv/team-b/db") == "kv/team-b/db"


def cluster_store(vault: dict[str, Any], **spec: Any) -> Any:
    return store_of({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
        "metadata": {"name": "vault", "uid": "u", "generation": 3},
        "spec": {"provider": {"vault": vault}} | spec,
    })  # fmt: skip


def test_conditions() -> None:
    """Any of labels, names and patterns is enough; without conditions every namespace may."""
    store = cluster_store(
        {},
        conditions=[
            {"namespaces": ["a"]},
            {"namespaceRegexes": ["^x-.*$"]},
            {"namespaceSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold"]}]}},
        ],
    )

    def matches(pattern: str, texts: Any) -> list[str]:
        return [text for text in texts if re.search(pattern, text)]

    assert store.admits("a", {}, matches)
    assert store.admits("x-1", {}, matches)
    assert store.admits("b", {"tier": "gold"}, matches)
    assert not store.admits("b", {"tier": "iron"}, matches)
    assert cluster_store({}).admits("b", {}, matches)


def test_identity() -> None:
    """A store whose credentials are each namespace's own is another one in each; another generation is, too."""
    fixed = cluster_store({"auth": {"tokenSecretRef": {"name": "t", "namespace": "ops"}}})
    asking = cluster_store({"auth": {"tokenSecretRef": {"name": "t"}}})
    assert fixed.identity("a") == fixed.identity("b")
    assert asking.identity("a") != asking.identity("b")


@pytest.mark.parametrize(
    ("spec", "shared"),
    [
        ({"role": "r"}, True),
        ({"role": "r", "sessionTags": [{"key": "team", "value": "x"}]}, True),
        ({"role": "r", "sessionTagsPolicy": "None"}, True),
        ({"sessionTagsPolicy": "Simple"}, True),
        ({"role": "r", "sessionTagsPolicy": "Simple"}, False),
        ({"role": "r", "sessionTagsPolicy": "Custom", "customSessionTags": {"a": "b"}}, False),
    ],
)
def test_what_is_tagged_with_a_namespace_is_of_that_namespace(spec: dict[str, Any], shared: bool) -> None:
    """What AWS gives to one's tag is not given to another; nor do two share credentials, though the keys are the same."""
    store = cluster_store({}, provider={"aws": {"service": "SecretsManager", "region": "eu-west-1", **spec}})
    assert (store.identity("a") == store.identity("b")) is shared
