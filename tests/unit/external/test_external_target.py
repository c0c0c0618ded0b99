"""What is done with the Secret: nothing of others' is lost, nothing is written twice, nothing is half done."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import external

from gateway_secrets.external.collect import Source
from gateway_secrets.external.content import Content
from gateway_secrets.external.record import intact
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.target import Action, Decision, Intent, Reason, plan, plan_empty

KEY = b"k" * 32
NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
SOURCES = (Source("SecretStore vault", "team/db", "7"),)
Json = dict[str, Any]


def content(*, kind: str = "", **data: str) -> Content:
    return Content({key: value.encode() for key, value in data.items()}, {"from": "es"}, {"note": "es"}, kind)


def planned(
    one: ExternalSecret,
    present: Json | None = None,
    *,
    now: datetime = NOW,
    alive: Any = (),
    sources: Any = SOURCES,
    kind: str = "",
    **data: str,
) -> Decision:
    return plan(Intent(one, content(kind=kind, **data), sources, KEY), present, now=now, alive=alive)


def made(one: ExternalSecret, **data: str) -> Json:
    secret = planned(one, **data).secret
    assert secret is not None
    return secret


def decoded(secret: Json | None) -> dict[str, str]:
    assert secret is not None
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def foreign(**data: str) -> Json:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "db", "namespace": "web", "uid": "s", "resourceVersion": "5", "labels": {"own": "1"}},
        "data": coded,
    }


def policy(creation: str, **target: Any) -> ExternalSecret:
    return external(target={"creationPolicy": creation, **target})


def test_an_owned_one_is_made_whole() -> None:
    """With its owner, ESO's labels, and where it is from."""
    decision = planned(external(), password="p")
    secret = decision.secret
    assert (decision.action, decision.reason, decoded(secret)) == (Action.CREATE, Reason.SYNCED, {"password": "p"})
    assert secret is not None
    metadata = secret["metadata"]
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "db", "uid": "uid-of-db",
            "controller": True, "blockOwnerDeletion": True,
        }
    ]  # fmt: skip
    assert metadata["labels"]["reconcile.external-secrets.io/managed"] == "true"
    told = {key: value for key, value in metadata["annotations"].items() if key != "secrets.govgate.dev/record"}
    assert told == {
        "note": "es",
        "secrets.govgate.dev/store": "SecretStore vault",
        "secrets.govgate.dev/key": "team/db",
        "secrets.govgate.dev/version": "7",
        "secrets.govgate.dev/refreshed": "2026-11-26T05:00:00Z",
    }


def test_an_unchanged_one_is_not_written() -> None:
    """Whenever it was read; another version of the same content is told of."""
    later = NOW + timedelta(hours=1)
    one = external()
    assert planned(one, made(one, a="1"), now=later, a="1").action is Action.NONE
    again = planned(one, made(one, a="1"), now=later, sources=(Source("SecretStore vault", "team/db", "8"),), a="1")
    assert again.action is Action.UPDATE
    assert again.secret is not None
    assert again.secret["metadata"]["annotations"]["secrets.govgate.dev/refreshed"] == "2026-11-26T06:00:00Z"


def test_owned_and_orphaned_ones_hold_their_own_keys_alone() -> None:
    """Others' labels stay, their keys do not; the orphan has no owner."""
    for creation in ("Owner", "Orphan"):
        secret = planned(policy(creation), foreign(old="x"), a="1").secret
        assert decoded(secret) == {"a": "1"}
        assert secret is not None
        assert secret["metadata"]["labels"].items() >= {"own": "1", "from": "es"}.items()
        assert ("ownerReferences" in secret["metadata"]) is (creation == "Owner")
        assert secret["metadata"]["resourceVersion"] == "5"


@given(
    st.dictionaries(st.sampled_from("abcd"), st.text("xy", max_size=2)),
    st.lists(st.dictionaries(st.sampled_from("abcd"), st.text("xy", max_size=2)), min_size=1, max_size=4),
)
def test_merging_takes_nothing_of_others(others: dict[str, str], rounds: list[dict[str, str]]) -> None:
    """Whatever was merged before: the Secret is what others put there, and over it the values of now.

    A key of another's that was overwritten once is ours from then on, and goes when it is not in the values any more.
    """
    one = policy("Merge")
    secret = foreign(**others)
    expected = dict(others)
    ours: set[str] = set()
    for values in rounds:
        secret = planned(one, secret, **values).secret or secret
        expected = {key: value for key, value in expected.items() if key not in ours} | values
        ours = set(values)
        assert decoded(secret) == expected
        assert intact(secret, one, KEY)
        assert planned(one, secret, **values).action is Action.NONE


def test_two_may_merge_into_one() -> None:
    """Each knows its own keys, and neither undoes the other's."""
    first, second = external("one", target={"name": "db", "creationPolicy": "Merge"}), policy("CreateOrMerge")
    secret = planned(first, foreign(own="x"), a="1").secret
    secret = planned(second, secret, alive={"uid-of-one"}, b="2").secret
    assert decoded(secret) == {"own": "x", "a": "1", "b": "2"}
    assert planned(first, secret, a="1").action is planned(second, secret, b="2").action is Action.NONE
    assert decoded(planned(first, secret, c="3").secret) == {"own": "x", "c": "3", "b": "2"}


def test_merging_into_nothing() -> None:
    """Merge waits for the Secret, CreateOrMerge makes it, None leaves all alone."""
    waiting = planned(policy("Merge"), a="1")
    assert (waiting.action, waiting.reason) == (Action.NONE, Reason.MISSING)
    assert planned(policy("CreateOrMerge"), a="1").action is Action.CREATE
    assert planned(policy("None"), foreign(), a="1").action is Action.NONE


def owned_by(kind: str, name: str, group: str = "external-secrets.io/v1") -> Json:
    owner = {"apiVersion": group, "kind": kind, "name": name, "uid": "another", "controller": True}
    secret = foreign(a="1")
    secret["metadata"]["ownerReferences"] = [owner]
    return secret


@pytest.mark.parametrize(
    ("creation", "present", "text"),
    [
        ("Owner", owned_by("ExternalSecret", "other"), "owned by another ExternalSecret: other"),
        ("Merge", owned_by("ExternalSecret", "other"), "owned by another ExternalSecret: other"),
        ("Owner", owned_by("Certificate", "c", "cert-manager.io/v1"), "owned by Certificate c"),
        ("Merge", foreign() | {"type": "kubernetes.io/service-account-token"}, "the cluster itself fills"),
        ("Owner", foreign() | {"immutable": True}, "immutable"),
        ("Owner", {**foreign(), "metadata": {**foreign()["metadata"], "deletionTimestamp": "x"}}, "being deleted"),
    ],
)
def test_what_is_not_ours_to_write_is_left_alone(creation: str, present: Json, text: str) -> None:
    """The status says whose it is."""
    decision = planned(policy(creation), present, a="1")
    assert (decision.action, decision.reason, decision.secret) == (Action.REFUSE, Reason.ERROR, None)
    assert text in decision.message


def test_one_that_another_fills_without_owning_it() -> None:
    """Is left to that one, for as long as it exists."""
    secret = made(external("other", target={"name": "db", "creationPolicy": "Orphan"}), a="1")
    assert (
        "filled by another ExternalSecret: other" in planned(external(), secret, alive={"uid-of-other"}, b="2").message
    )
    assert planned(external(), secret, b="2").action is Action.UPDATE


def test_merging_into_what_another_controller_owns() -> None:
    """Is what merging is for."""
    secret = planned(policy("Merge"), owned_by("Certificate", "c", "cert-manager.io/v1"), b="2").secret
    assert decoded(secret) == {"a": "1", "b": "2"}


def test_an_owner_that_was_made_anew_takes_its_secret_back() -> None:
    """Under the same name, with another uid; there is one owner after it."""
    secret = planned(external(), owned_by("ExternalSecret", "db"), a="2").secret
    assert secret is not None
    assert [one["uid"] for one in secret["metadata"]["ownerReferences"]] == ["uid-of-db"]


def test_another_type_cannot_be_had() -> None:
    """The API server would not change it; without one in the template, it stays what it is."""
    assert "another type" in planned(external(), foreign(), kind="example.com/db", a="1").message
    secret = planned(external(), foreign() | {"type": "example.com/x"}, a="1").secret
    assert secret is not None
    assert secret["type"] == "example.com/x"


def test_immutable() -> None:
    """Made so when it is asked for, and left alone while nothing has to change."""
    one = external(target={"immutable": True})
    secret = made(one, a="1")
    assert secret["immutable"] is True
    assert planned(one, secret, a="1").action is Action.NONE
    assert "immutable" in planned(external(), secret, a="2").message


def test_an_immutable_secret_stays_as_it_is_where_that_is_asked_for() -> None:
    """It is no error that the store holds another value by now: it is said, and that it is made anew when it is deleted."""
    one = external(target={"immutable": True})
    secret = made(one, a="1")
    decision = planned(one, secret, a="2")
    assert (decision.action, decision.reason) == (Action.NONE, Reason.SYNCED)
    assert "delete the Secret" in decision.message
    assert "another type" in planned(one, secret, kind="example.com/db", a="1").message
    assert planned(one, foreign(a="1"), a="2").action is Action.UPDATE


def test_a_decision_says_which_secret_there_is_then() -> None:
    """Whose lease is in use is read from that one: what was made for a Secret that stays as it is, is in no Secret."""

    def noted(of: ExternalSecret, present: Json | None, made: str, **data: str) -> Decision:
        return plan(Intent(of, content(**data), SOURCES, KEY, made), present, now=NOW, alive=())

    one = external(target={"immutable": True})
    first = noted(one, None, "A", a="1")
    assert first.held == first.secret
    assert noted(one, first.secret, "B", a="2").held == first.secret
    assert noted(one, first.secret, "A", a="1").held == first.secret
    second = noted(external(), made(external(), a="1"), "B", a="2")
    assert second.held is not None
    assert "B" in second.held["metadata"]["annotations"].values()
    assert noted(policy("Merge"), None, "B", a="1").held is None
    retained = plan_empty(external(), first.secret)
    assert retained is not None
    assert retained.held == first.secret
    deleted = plan_empty(external(target={"deletionPolicy": "Delete"}), first.secret)
    assert deleted is not None
    assert (deleted.action, deleted.held) == (Action.DELETE, None)


def test_finalizers_of_the_template_are_added() -> None:
    """To those that are there; whose they are takes them away again."""
    secret = made(external(), a="1")
    secret["metadata"]["finalizers"] = ["example.com/there"]
    wanted = msgspec.structs.replace(content(a="1"), finalizers=("example.com/kept", "example.com/there"))
    after = plan(Intent(external(), wanted, SOURCES, KEY), secret, now=NOW, alive=()).secret
    assert after is not None
    assert after["metadata"]["finalizers"] == ["example.com/there", "example.com/kept"]
    assert plan(Intent(external(), wanted, SOURCES, KEY), after, now=NOW, alive=()).action is Action.NONE
    again = planned(external(), after, a="2").secret
    assert again is not None
    assert again["metadata"]["finalizers"] == after["metadata"]["finalizers"]


def test_from_owner_to_merge_and_back() -> None:
    """The notes of the one are gone with it."""
    owned = made(external(), a="1")
    merging = planned(policy("Merge"), owned, a="1").secret
    assert merging is not None
    assert "ownerReferences" not in merging["metadata"]
    assert not any(name.startswith("secrets.govgate.dev/") for name in merging["metadata"]["annotations"])
    back = planned(external(), merging, a="1").secret
    assert back is not None
    assert sorted(back["metadata"]["annotations"]) == sorted(owned["metadata"]["annotations"])


CHANGES: dict[str, Any] = {
    "value": lambda s: s["data"].update(a="eA=="),
    "key": lambda s: s["data"].update(z="eA=="),
    "gone": lambda s: s["data"].pop("a"),
    "label": lambda s: s["metadata"]["labels"].pop("from"),
    "managed": lambda s: s["metadata"]["labels"].pop("reconcile.external-secrets.io/managed"),
    "annotation": lambda s: s["metadata"]["annotations"].update(note="x"),
    "version": lambda s: s["metadata"]["annotations"].update({"secrets.govgate.dev/version": "9"}),
    "owner": lambda s: s["metadata"].pop("ownerReferences"),
    "record": lambda s: s["metadata"]["annotations"].pop("secrets.govgate.dev/record"),
    "nonsense": lambda s: s["metadata"]["annotations"].update({"secrets.govgate.dev/record": "[]"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_without_reading_anything(change: str) -> None:
    """And mended; what others add to the metadata is theirs."""
    one = external()
    secret = made(one, a="1")
    secret["metadata"]["labels"]["another"] = "x"
    assert intact(secret, one, KEY)
    CHANGES[change](secret)
    assert not intact(secret, one, KEY)
    mended = planned(one, secret, a="1").secret
    assert mended is not None
    assert (decoded(mended), intact(mended, one, KEY)) == ({"a": "1"}, True)
    assert mended["metadata"]["labels"]["another"] == "x"


def test_a_mark_is_nothing_without_its_key() -> None:
    """Who has no key cannot make one, nor try out values with it."""
    one = external()
    assert not intact(made(one, a="1"), one, b"x" * 32)


def test_nothing_there() -> None:
    """Deleted if it is this one's own, kept, or emptied of its keys, as the policies say."""
    gone = external(target={"deletionPolicy": "Delete"})
    secret = made(gone, a="1")
    decision = plan_empty(gone, secret)
    assert decision is not None
    assert (decision.action, decision.reason, decision.secret) == (Action.DELETE, Reason.DELETED, secret)
    for present in (None, foreign(a="1"), owned_by("ExternalSecret", "other")):
        left = plan_empty(gone, present)
        assert left is not None
        assert left.action is Action.NONE
    kept = plan_empty(external(), secret)
    assert kept is not None
    assert (kept.action, kept.reason) == (Action.NONE, Reason.SYNCED)
    assert plan_empty(external(target={"deletionPolicy": "Merge"}), secret) is None


def test_no_text_of_a_decision_holds_a_value() -> None:
    """Not even its representation."""
    assert "Y2FuYXJ5" not in repr(planned(external(), a="canary"))
