"""Values that are made: what they are made of, and that one that is there stays."""

from __future__ import annotations

import asyncio
import base64
import random
import string
import uuid
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.external import Shelf, Words, external

from gateway_secrets.external.collect import collect
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.generators import dynamic_of, made_by, resource_of
from gateway_secrets.external.spec import GeneratorRef

Json = dict[str, Any]
MADE = [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "pw"}}}]


def password(**spec: Any) -> Json:
    return {"kind": "Password", "metadata": {"name": "pw"}, "spec": spec}


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same in every run


def collected(kept: dict[str, bytes] | None = None, **spec: Any) -> dict[str, bytes]:
    return asyncio.run(collect(external(**spec).spec, Shelf(), Words(), kept)).data


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "length": st.integers(1, 60),
        "digits": st.integers(0, 12),
        "symbols": st.integers(0, 12),
        "symbolCharacters": st.sampled_from(["-_", "!"]),
        "noUpper": st.booleans(),
        "allowRepeat": st.booleans(),
    },
)


@given(SPECS, st.integers())
def test_a_password_is_as_it_was_asked_for(spec: Json, seed: int) -> None:
    """So many digits and symbols, of these characters, none twice unless it may; or an error, where that cannot be."""
    length = spec.get("length", 24)
    digits, symbols = spec.get("digits", length // 4), spec.get("symbols", length // 4)
    among = spec.get("symbolCharacters", '~!@#$%^&*()_+`-={}|[]\\:"<>?,./')
    letters = string.ascii_lowercase if spec.get("noUpper") else string.ascii_letters
    enough = digits <= 10 and symbols <= len(set(among)) and length - digits - symbols <= len(letters)
    if digits + symbols > length or not (enough or spec.get("allowRepeat")):
        with pytest.raises(SpecError):
            made_by(password(**spec), chance(seed))
        return
    text = made_by(password(**spec), chance(seed))["password"].decode()
    assert len(text) == length
    assert sum(one in string.digits for one in text) == digits
    assert sum(one in among for one in text) == symbols
    assert sum(one in letters for one in text) == length - digits - symbols
    assert spec.get("allowRepeat") or len(set(text)) == length


def test_no_two_are_the_same() -> None:
    """Chance is the system's; also of two keys of one."""
    made = [made_by(password())["password"] for _ in range(3)] + list(made_by(password(secretKeys=["a", "b"])).values())
    assert len(set(made)) == 5


def test_nothing_has_its_place() -> None:
    """A password may begin with a letter, a digit or a symbol."""
    first = [made_by(password(), chance(seed))["password"].decode()[0] for seed in range(60)]
    assert {(one.isalpha(), one.isdigit()) for one in first} == {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize(
    ("encoding", "decode"),
    [
        ("base64", base64.b64decode),
        ("base64url", base64.urlsafe_b64decode),
        ("base32", base64.b32decode),
        ("hex", lambda text: bytes.fromhex(text.decode())),
    ],
)
def test_encodings(encoding: str, decode: Any) -> None:
    """What is encoded is the password."""
    made = made_by(password(encoding=encoding), chance(1))["password"]
    assert decode(made) == made_by(password(), chance(1))["password"]


def test_a_uuid() -> None:
    """Of version 4; also by a ClusterGenerator, as a password is."""
    made = made_by({"kind": "UUID", "metadata": {"name": "u"}})
    assert uuid.UUID(made["uuid"].decode()).version == 4
    shared = {"kind": "ClusterGenerator", "metadata": {"name": "g"}}
    assert list(made_by(shared | {"spec": {"kind": "UUID", "generator": {"uuidSpec": {}}}})) == ["uuid"]
    spec = {"kind": "Password", "generator": {"passwordSpec": {"length": 8, "symbols": 0}}}
    assert len(made_by(shared | {"spec": spec})["password"]) == 8


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (password(length="long"), "length"),
        (password(length=5_000, allowRepeat=True), "at most 4096"),
        (password(secretKeys=["a", "a"]), "secretKeys"),
        (password(digits=11), "only 10 digits"),
        ({"kind": "ClusterGenerator", "metadata": {"name": "g"}, "spec": {"kind": "ECR"}}, "ECR is not run"),
    ],
)
def test_what_cannot_be_made_is_said(document: Json, text: str) -> None:
    """By the field."""
    with pytest.raises(SpecError, match=text):
        made_by(document)


def test_what_is_not_run_is_said() -> None:
    """With what is."""
    with pytest.raises(SpecError, match="use one of ClusterGenerator, Password, UUID"):
        resource_of(GeneratorRef("ECR", "x"))
    assert resource_of(GeneratorRef("UUID", "x")) == "uuids"


def test_a_value_that_is_there_stays() -> None:
    """Under its key, also a rewritten one; what is missing is made, and others' keys are none of it."""
    assert collected(dataFrom=MADE) == {"password": b"pw-1"}
    assert collected({"password": b"old", "other": b"x"}, dataFrom=MADE) == {"password": b"old"}
    rewritten = [MADE[0] | {"rewrite": [{"transform": {"template": "db-{{ .value }}"}}]}]
    assert collected({"db-password": b"old"}, dataFrom=rewritten) == {"db-password": b"old"}
    assert collected({"password": b"old"}, dataFrom=rewritten) == {"db-password": b"pw-1"}


@given(st.dictionaries(st.sampled_from(["password", "other"]), st.binary(max_size=3)))
def test_what_was_made_is_made_once(before: dict[str, bytes]) -> None:
    """Whatever the Secret held: from the second look on, it is the same."""
    assume(before)
    first = collected(before, dataFrom=MADE)
    assert collected(first, dataFrom=MADE) == first


def test_a_template_that_replaces_what_was_made_is_refused() -> None:
    """Nothing would remember it; one that adds is taken."""
    template = {"data": {"url": "{{ .password }}"}}
    with pytest.raises(SpecError, match="mergePolicy: Merge"):
        collected(dataFrom=MADE, target={"template": template})
    assert collected(dataFrom=MADE, target={"template": {**template, "mergePolicy": "Merge"}}) == {"password": b"pw-1"}


def test_what_is_made_elsewhere_is_what_is_given() -> None:
    """The Secret does not remember it: it holds what was made last, and a template may replace it."""
    entry = [{"sourceRef": {"generatorRef": {"kind": "VaultDynamicSecret", "name": "vault"}}}]
    assert collected({"password": b"old"}, dataFrom=entry) == {"password": b"vault-1"}
    template = {"data": {"url": "{{ .password }}"}}
    assert collected(dataFrom=entry, target={"template": template}) == {"password": b"vault-1"}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"kind": "VaultDynamicSecret", "spec": {"path": "a", "method": None}}, {"path": "a"}),
        ({"kind": "VaultDynamicSecret"}, {}),
        ({"kind": "Password", "spec": {"path": "a"}}, None),
        (
            {
                "kind": "ClusterGenerator",
                "spec": {"kind": "VaultDynamicSecret", "generator": {"vaultDynamicSecretSpec": {"path": "a"}}},
            },
            {"path": "a"},
        ),
        ({"kind": "ClusterGenerator", "spec": {"kind": "VaultDynamicSecret", "generator": 7}}, {}),
        ({"kind": "ClusterGenerator", "spec": {"kind": "UUID", "generator": {"vaultDynamicSecretSpec": {}}}}, None),
        ({"kind": "ClusterGenerator", "spec": 7}, None),
    ],
)
def test_what_is_made_by_a_vault(document: Json, found: Json | None) -> None:
    """Said by the kind, also of what a ClusterGenerator wraps; however odd the rest is."""
    assert dynamic_of(document) == found
