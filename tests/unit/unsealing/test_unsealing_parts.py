"""The parts of the controller that unseals: what is claimed, what is held, what comes first, who else writes."""

from __future__ import annotations

from typing import Any

import pytest
from support.sealing import CANARY, NOW, sealing, secret

from gateway.controllers.contests import MAX_HEAL_SECONDS, WINDOW_SECONDS, Contests, overwritten, writer_of
from gateway.controllers.sealed.claims import Claims
from gateway.controllers.sealed.events import MAX_MESSAGE_CHARACTERS, event_of
from gateway.controllers.sealed.held import Reader
from gateway.kube import Key
from gateway_secrets.sealed.reconcile import MARK, Action, Decision, status_of
from gateway_secrets.sealed.scope import MANAGED, PATCH, Scope
from gateway_secrets.sealed.sealing import seal_secret

A, B, C = (Key("web", name) for name in "abc")
OWNER = {"kind": "SealedSecret", "name": "db", "uid": "u", "controller": True}


def test_what_is_claimed() -> None:
    """By name or glob, and nothing at first; names alone are watched each by itself, with rights in them alone."""
    assert "web" not in Claims(())
    names = Claims(("web", "api", "web"))
    assert ["web" in names, "web2" in names, names.watched] == [True, False, ("web", "api")]
    globs = Claims(("web", "team-?"))
    assert ["team-a" in globs, "team-ab" in globs, globs.watched] == [True, False, ("",)]


def stored(**metadata: Any) -> Any:
    base = {"name": "db", "namespace": "web", "uid": "s", "resourceVersion": "7"}
    return {"metadata": base | metadata, "data": {"password": CANARY}}


def test_no_value_of_a_foreign_secret_is_held() -> None:
    """Of one that may be written all is; of namespaces that are not claimed, nothing."""
    reader = Reader(Claims(("web",)))
    foreign = reader.secret(stored(labels={"a": "b"}))
    assert foreign is not None
    assert CANARY not in foreign.text.decode()
    for annotation in (MARK, MANAGED, PATCH):
        ours = reader.secret(stored(annotations={annotation: "true"}, managedFields=[{"manager": "kubectl"}]))
        assert ours is not None
        assert CANARY in ours.text.decode()
        assert (ours.writer, "managedFields" in ours.text.decode(), CANARY in repr(ours)) == ("kubectl", False, False)
    assert reader.secret(stored(namespace="other", annotations={MARK: "x"})) is None
    assert reader.sealed({"metadata": {"name": "db", "namespace": "other"}}) is None


@pytest.mark.parametrize(
    ("status", "urgent"),
    [
        (None, True),
        ({"observedGeneration": 2, "conditions": [{"type": "Synced", "status": "True"}]}, False),
        ({"observedGeneration": 1, "conditions": [{"type": "Synced", "status": "True"}]}, True),
        ({"observedGeneration": 2, "conditions": [{"type": "Synced", "status": "False"}]}, True),
        ({"observedGeneration": 2, "conditions": "odd"}, True),
        ("odd", True),
    ],
)
def test_new_changed_and_failing_ones_are_urgent(status: Any, urgent: bool) -> None:
    """By the status, whatever somebody wrote there."""
    metadata = {"name": "db", "namespace": "web", "generation": 2}
    held = Reader(Claims(("web",))).sealed({"metadata": metadata, "spec": {}, "status": status})
    assert held is not None
    assert held.urgent is urgent


def test_who_writes_the_whole_is_another_controller() -> None:
    """A person who changes a field leaves the mark; a Secret that is nobody's is no matter."""
    ours = stored(annotations={MARK: "m"}, ownerReferences=[OWNER])
    assert overwritten(ours, stored(ownerReferences=[OWNER]))
    assert not overwritten(ours, stored(annotations={MARK: "m"}, ownerReferences=[OWNER]))
    assert not overwritten(ours, stored())
    assert not overwritten(ours, None)
    assert not overwritten(stored(ownerReferences=[OWNER]), stored(ownerReferences=[OWNER]))
    entries = [{"manager": "a", "time": "1"}, {"manager": "b", "time": "2"}, {"manager": "govgate", "time": "3"}]
    assert [writer_of(entries), writer_of(None), writer_of([1, {}])] == ["b", "", ""]


def test_two_who_never_agree_slow_down() -> None:
    """The first time is healed at once; then ever later, up to a bound; after an hour of peace it is forgotten."""
    contests, waits = Contests(), []
    for _ in range(12):
        contests.note(A, "rival", 0.0)
        waits.append(contests.wait(A, 0.0))
    assert waits[:3] == [0.0, 4.0, 8.0]
    assert waits[-1] == MAX_HEAL_SECONDS
    assert contests.wait(B, 0.0) == 0.0
    assert "web/a (last changed by rival)" in contests.problem(1.0)
    assert contests.problem(WINDOW_SECONDS + 1) == ""


def test_an_event_is_small_and_holds_no_value() -> None:
    """Whatever the name and the problem are."""
    document = seal_secret(secret("n" * 253), Scope.STRICT, sealing(digests=None)).document
    event = event_of(document, Decision(Action.REFUSE, problem="x" * 5000), NOW)
    assert (event["type"], len(event["message"])) == ("Warning", MAX_MESSAGE_CHARACTERS)
    assert len(event["metadata"]["name"]) == 253
    made = event_of(document, Decision(Action.CREATE, secret={"data": {"a": CANARY}}), NOW)
    assert (made["type"], made["reason"], CANARY in str(made)) == ("Normal", "Unsealed", False)
    assert status_of(document, Decision(Action.NONE), NOW) is not None
