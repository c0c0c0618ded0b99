"""Sealing the same again: what did not change stays as it is, and nothing else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sealing import CANARY, NOW, certificate, private_key, read_sealed, sealing, secret

from gateway_secrets.sealed.digest import DigestKey, Place
from gateway_secrets.sealed.objects import Sealed, Secret
from gateway_secrets.sealed.records import CERTIFICATES, DIGESTS, read_notes
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import merge_secret, seal_secret, unseal_values

BEFORE = secret(a="1", b="2", c=CANARY)
MADE = seal_secret(BEFORE, Scope.STRICT, sealing()).document
VALUES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from((b"1", b"2", CANARY.encode())), min_size=1)


def again(changed: Secret, scope: Scope = Scope.STRICT, previous: Sealed | None = None, **more: Any):
    return seal_secret(changed, scope, sealing(**more), previous or read_sealed(MADE))


def test_sealing_the_same_again_changes_nothing() -> None:
    """Not a byte of the object."""
    made = again(BEFORE)
    assert made.sealed == ()
    assert msgspec.json.encode(made.document) == msgspec.json.encode(MADE)


@given(VALUES)
def test_only_what_changed_is_sealed(values: dict[str, bytes]) -> None:
    """Keys whose value is another one, and new ones; keys that are gone are gone; and all of it opens."""
    made = again(Secret("db", "web", values))
    changed = {key for key, value in values.items() if BEFORE.values.get(key) != value}
    assert set(made.sealed) == changed
    found = read_sealed(made.document)
    assert unseal_values(found, [private_key()]) == values
    assert all((found.values[key] == MADE["spec"]["encryptedData"].get(key)) is (key not in changed) for key in values)
    assert again(Secret("db", "web", values), previous=found).sealed == ()


@pytest.mark.parametrize(
    "more",
    [{"digests": b"x" * 32}, {"digests": None}, {"anew": True}, {"name": "b"}, {"scope": Scope.NAMESPACE_WIDE}],
    ids=["another digest key", "no digest key", "asked for", "another certificate", "another scope"],
)
def test_what_cannot_be_known_to_be_unchanged_is_sealed(more: dict) -> None:
    """For another key or cluster, the former value would be of no use; without the digest key nobody knows."""
    made = again(BEFORE, **more)
    assert set(made.sealed) == set("abc")
    key = private_key(more.get("name", "a"))
    assert unseal_values(read_sealed(made.document), [key]) == BEFORE.values


def test_values_of_another_place_are_not_taken() -> None:
    """Neither another namespace, nor another name."""
    for place in (("db", "shop"), ("db2", "web")):
        assert set(again(secret(*place, a="1")).sealed) == {"a"}


def test_a_value_moved_to_another_key_is_not_taken() -> None:
    """Digests are of one place each, even if values and notes are moved along."""
    document = read_sealed(MADE).document
    data = document["spec"]["encryptedData"]
    data["a"], data["b"] = data["b"], data["a"]
    annotations = document["metadata"]["annotations"]
    digests = msgspec.json.decode(annotations[DIGESTS])
    values = digests["values"]
    values["a"], values["b"] = values["b"], values["a"]
    annotations[DIGESTS] = msgspec.json.encode(digests).decode()
    assert {"a", "b"} <= set(again(secret(a="2", b="1", c=CANARY), previous=read_sealed(document)).sealed)


def test_what_another_tool_wrote_is_sealed_again() -> None:
    """It replaced the value and left the notes: they are void, and say so."""
    document = read_sealed(MADE).document
    document["spec"]["encryptedData"]["a"] = seal_secret(secret(a="9"), Scope.STRICT, sealing()).document["spec"][
        "encryptedData"
    ]["a"]
    changed = read_sealed(document)
    assert read_notes(changed.annotations, changed.values).stale == ("a",)
    assert again(BEFORE, previous=changed).sealed == ("a",)


def test_a_renewed_certificate_leaves_values_alone_if_that_is_asked() -> None:
    """As long as the former one is good; the controller keeps its old keys."""
    assert again(BEFORE, name="b", renewed=True).sealed == ()
    later = msgspec.structs.replace(sealing("b", renewed=True), now=NOW + timedelta(days=5000))
    assert set(seal_secret(BEFORE, Scope.STRICT, later, read_sealed(MADE)).sealed) == set("abc")


def test_a_forged_note_of_the_certificate_is_not_believed() -> None:
    """The certificate is in the digest: a value sealed for another cluster does not pass for one of this."""
    document = read_sealed(MADE).document
    annotations = document["metadata"]["annotations"]
    annotations[CERTIFICATES] = annotations[CERTIFICATES].replace(
        certificate("a").fingerprint, certificate("b").fingerprint
    )
    assert set(again(BEFORE, name="b", previous=read_sealed(document)).sealed) == set("abc")


def test_equal_values_have_nothing_in_common() -> None:
    """Not in two keys, not in two Secrets."""
    made = [seal_secret(secret(name, "web", a="same", b="same"), Scope.STRICT, sealing()) for name in ("x", "y")]
    digests = [
        digest
        for one in made
        for digest in msgspec.json.decode(one.document["metadata"]["annotations"][DIGESTS])["values"].values()
    ]
    assert len(set(digests)) == 4


def test_a_digest_needs_its_key() -> None:
    """And every part of what it is about."""
    key, place = DigestKey(b"k" * 32), Place(Scope.STRICT, "web", "db", "a")
    digest = key.digest(place, "f", "sealed", b"plain")
    assert key.matches(digest, place, "f", "sealed", b"plain")
    others = [
        DigestKey(b"K" * 32).digest(place, "f", "sealed", b"plain"),
        key.digest(msgspec.structs.replace(place, scope=Scope.CLUSTER_WIDE), "f", "sealed", b"plain"),
        key.digest(msgspec.structs.replace(place, namespace="x"), "f", "sealed", b"plain"),
        key.digest(place, "F", "sealed", b"plain"),
        key.digest(place, "f", "seale", b"dplain"),
        key.digest(place, "f", "sealed", b"plain2"),
    ]
    assert digest not in others
    assert len(set(others)) == len(others)


def test_notes_are_never_in_the_template() -> None:
    """Nor taken from there: what is in the template becomes part of the Secret."""
    given_to = msgspec.structs.replace(BEFORE, metadata={"annotations": dict(MADE["metadata"]["annotations"])})
    made = again(given_to).document
    assert "annotations" not in made["spec"]["template"]["metadata"]
    assert set(made["metadata"]["annotations"]) == {CERTIFICATES, DIGESTS}


def test_without_notes_it_is_what_kubeseal_writes() -> None:
    """No annotation of govgate's."""
    assert "annotations" not in again(BEFORE, notes=False).document["metadata"]


def test_people_may_annotate_the_object() -> None:
    """What they wrote into its metadata stays, also the templates in its template."""
    document = read_sealed(MADE).document
    document["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = "1"
    document["metadata"]["labels"] = {"team": "x"}
    document["spec"]["template"]["data"] = {"url": "{{ .a }}"}
    made = again(BEFORE, previous=read_sealed(document))
    assert (made.sealed, made.document) == ((), document)


def test_merging_touches_what_is_given() -> None:
    """Other values, and what is noted of them, stay; the scope is the target's."""
    target = read_sealed(seal_secret(BEFORE, Scope.NAMESPACE_WIDE, sealing()).document)
    added = Secret("db", "web", {"b": b"2", "d": b"4"}, {"labels": {"l": "1"}, "annotations": {"x": "y"}})
    made = merge_secret(added, target, sealing())
    found = read_sealed(made.document)
    assert made.sealed == ("d",)
    assert found.scope is Scope.NAMESPACE_WIDE
    assert unseal_values(found, [private_key()]) == BEFORE.values | {"d": b"4"}
    assert set(read_notes(found.annotations, found.values).values) == set("abcd")
    inner = found.template["metadata"]
    assert (inner["labels"], inner["annotations"]["x"]) == ({"l": "1"}, "y")
    assert merge_secret(added, found, sealing()).document == found.document


def test_merging_with_another_digest_key_drops_the_former_digests() -> None:
    """They could not be told apart from the new ones."""
    made = merge_secret(secret(d="4"), read_sealed(MADE), sealing(digests=b"x" * 32))
    notes = read_notes(made.document["metadata"]["annotations"], made.document["spec"]["encryptedData"])
    assert {key for key, note in notes.values.items() if note.digest} == {"d"}
    assert notes.by == DigestKey(b"x" * 32).id


@given(st.text(max_size=80))
def test_unreadable_notes_are_no_notes(text: str) -> None:
    """Whatever somebody wrote there."""
    for name in (CERTIFICATES, DIGESTS):
        notes = read_notes({**MADE["metadata"]["annotations"], name: text}, MADE["spec"]["encryptedData"])
        assert notes.unreadable or not any(note.digest for note in notes.values.values())
