"""The parts of the controller that unseals: what is claimed, what is held, what comes first, who else writes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sealing import CANARY, NOW, sealing, secret

from gateway.controllers.sealed.claims import Claims
from gateway.controllers.sealed.contests import MAX_HEAL_SECONDS, WINDOW_SECONDS, Contests, overwritten, writer_of
from gateway.controllers.sealed.events import MAX_MESSAGE_CHARACTERS, event_of
from gateway.controllers.sealed.held import Reader
from gateway.controllers.sealed.queue import MAX_RETRY_SECONDS, WorkQueue
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


async def order(queue: WorkQueue, count: int) -> list[Key]:
    found = []
    for _ in range(count):
        found.append(await asyncio.wait_for(queue.get(), 20))
        queue.done(found[-1])
    return found


async def test_urgent_ones_come_first_and_leave_room() -> None:
    """Each once; every fourth place is for the others."""
    queue = WorkQueue(4)
    urgent = [Key("u", str(number)) for number in range(5)]
    for key in (A, B, *urgent):
        queue.add(key, urgent=key.namespace == "u")
    queue.add(A)
    assert await order(queue, 7) == [*urgent[:3], A, *urgent[3:], B]
    assert len(queue) == 0


async def test_one_is_worked_on_once_at_a_time() -> None:
    """One that changes meanwhile comes again, and only then."""
    queue = WorkQueue(4)
    queue.add(A)
    assert await queue.get() == A
    queue.add(A, urgent=True)
    queue.add(B)
    assert len(queue) == 1
    queue.done(A)
    assert await order(queue, 2) == [A, B]


async def test_a_failing_one_comes_ever_later_and_at_once_when_it_changes() -> None:
    """Up to a bound; what succeeds begins anew."""
    queue = WorkQueue(4)
    delays = []
    for _ in range(14):
        queue.add(A)
        await queue.get()
        delays.append(queue.retry(A))
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays[-1] == MAX_RETRY_SECONDS
    queue.add(A)
    await order(queue, 1)
    queue.add(A)
    await queue.get()
    assert queue.retry(A) == 0.5
    queue.close()
    assert len(queue) == 0


async def test_thousands_of_one_namespace_keep_nobody_waiting() -> None:
    """Every namespace has its turn after each look, however many another has, and however urgent those are."""
    queue = WorkQueue(4)
    for number in range(5_000):
        queue.add(Key("big", str(number)), urgent=True)
    for namespace in ("x", "y"):
        for number in range(3):
            queue.add(Key(namespace, str(number)), urgent=namespace == "x")
    found = await order(queue, 24)
    places = {key: place for place, key in enumerate(found)}
    assert [places[Key("x", str(number))] for number in range(3)] == [1, 4, 6]  # the fourth place is for the others
    assert [places[Key("y", str(number))] for number in range(3)] == [3, 7, 11]
    assert [key.name for key in found if key.namespace == "big"] == [str(number) for number in range(18)]


async def test_no_namespace_has_all_workers() -> None:
    """What takes long of one leaves a worker to the others; when one of it is done, its next one has it."""
    queue = WorkQueue(2)
    for number in range(10):
        queue.add(Key("big", str(number)))
    first, second = await queue.get(), await queue.get()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.add(A)
    assert await asyncio.wait_for(waiting, 20) == A
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(first)
    assert await asyncio.wait_for(waiting, 20) == Key("big", "2")
    assert queue.retry(second) == 0.5
    queue.close()


@given(st.lists(st.tuples(st.sampled_from([A, B, C, Key("api", "a"), Key("x", "b")]), st.booleans()), max_size=30))
def test_nothing_is_lost(added: list[tuple[Key, bool]]) -> None:
    """Whatever is added comes out, once."""

    async def run() -> None:
        queue = WorkQueue(4)
        for key, urgent in added:
            queue.add(key, urgent=urgent)
        expected = {key for key, _ in added}
        assert sorted(await order(queue, len(expected))) == sorted(expected)
        assert len(queue) == 0

    asyncio.run(run())


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
