"""In which order objects are looked at: urgent ones first, namespaces in turn, none with all of the work."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.controllers.queue import MAX_RETRY_SECONDS, RETRY_SECONDS, WorkQueue
from gateway.kube import Key

A, B, C = (Key("web", name) for name in "abc")
OTHER = Key("other", "x")


def latest(_least: float, most: float) -> float:
    """No chance: as late as it may be."""
    return most


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
    queue = WorkQueue(4, uniform=latest)
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
    assert (queue.retry(A), queue.later) == (0.5, 1)
    queue.close()
    assert (len(queue), queue.later) == (0, 0)


async def test_a_failing_one_comes_in_time_for_what_is_to_be_done() -> None:
    """However often it failed; not sooner than after the first failure."""
    queue = WorkQueue(4, uniform=latest)
    delays = []
    for most in (None, 40.0, 40.0, 40.0, 3.0, 0.0):
        queue.add(A)
        await queue.get()
        delays.append(queue.retry(A, most=most))
    queue.close()
    assert delays == [0.5, 1.0, 2.0, 4.0, 3.0, 0.5]


@given(
    failures=st.integers(1, 14),
    least=st.sampled_from([0.0, 3.0, 1_000.0]),
    most=st.sampled_from([None, 0.0, 40.0]),
    chance=st.randoms(use_true_random=False),
)
def test_what_failed_together_does_not_come_back_together(
    failures: int, least: float, most: float | None, chance: random.Random
) -> None:
    """By chance, from half of the pause on; never sooner than has to be waited, nor later than it is wanted."""

    async def run() -> None:
        queue = WorkQueue(4, uniform=chance.uniform)
        for _ in range(failures):
            queue.add(A)
            await queue.get()
            delay = queue.retry(A, least, most=most)
        whole = min(RETRY_SECONDS * 2.0 ** (failures - 1), MAX_RETRY_SECONDS if most is None else max(most, 0.5))
        assert max(least, whole / 2) <= delay <= max(least, whole)
        queue.close()

    asyncio.run(run())


async def test_a_thousand_failures_of_one_moment_are_spread() -> None:
    """No tenth of their pause has more than a third of them, each time they fail."""
    queue = WorkQueue(1_000, uniform=random.Random(7).uniform)  # noqa: S311 - the same each time
    keys = [Key("web", str(number)) for number in range(1_000)]
    for _ in range(4):
        for key in keys:
            queue.add(key)
        delays = sorted([queue.retry(await queue.get()) for _ in keys])
        tenth = delays[-1] / 10
        assert max(sum(start <= one < start + tenth for one in delays) for start in delays) < 333
    queue.close()


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
    queue = WorkQueue(2, uniform=latest)
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


async def test_namespaces_take_turns() -> None:
    """One with many objects does not keep out one with few."""
    queue = WorkQueue(share=10)
    for number in range(4):
        queue.add(Key("many", str(number)))
    queue.add(A)
    found = await order(queue, 5)
    assert found.index(A) == 1
    assert [one.name for one in found if one.namespace == "many"] == ["0", "1", "2", "3"]


async def test_urgent_ones_first_but_not_always() -> None:
    """Every fourth place is for the others."""
    queue = WorkQueue(share=10)
    queue.add(A)
    for number in range(5):
        queue.add(Key("new", str(number)), urgent=True)
    found = await order(queue, 6)
    assert found.index(A) == 3


async def test_no_namespace_has_more_than_its_share() -> None:
    """What is beyond waits until one of it is done, whoever else there is."""
    queue = WorkQueue(share=2)
    for number in range(3):
        queue.add(Key("many", str(number)))
    first, second = await queue.get(), await queue.get()
    third = asyncio.ensure_future(queue.get())
    queue.add(OTHER)
    assert await asyncio.wait_for(third, 20) == OTHER
    fourth = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    assert not fourth.done()
    queue.done(first)
    assert await asyncio.wait_for(fourth, 20) == Key("many", "2")
    queue.done(second)


async def test_one_that_is_done_may_come_again_later_or_at_once() -> None:
    """One that changes meanwhile comes again, and only then; one that is added twice comes once."""
    queue = WorkQueue(share=10)
    queue.add(A)
    queue.add(A, urgent=True)
    assert await queue.get() == A
    queue.add(A)
    assert len(queue) == 0
    queue.done(A, 1000)
    assert (len(queue), await queue.get()) == (1, A)


async def test_failures_are_forgotten_when_it_is_well() -> None:
    """Up to a bound; a change brings it back at once, and its failures are forgotten when it is well."""
    queue = WorkQueue(share=10, uniform=latest)
    delays = []
    for _ in range(12):
        queue.add(A)
        await queue.get()
        delays.append(queue.retry(A))
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays[-1] == MAX_RETRY_SECONDS
    queue.add(A)
    queue.done(await queue.get())
    queue.add(A)
    await queue.get()
    assert queue.retry(A) == 0.5
    queue.close()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=40))
def test_nothing_is_lost_and_nothing_is_done_twice(added: list[tuple[int, int, bool]]) -> None:
    """Whatever is added, in whatever order: each key comes once."""

    async def run() -> None:
        queue = WorkQueue(share=1)
        keys = [Key(str(namespace), str(name)) for namespace, name, _ in added]
        for key, (_, _, urgent) in zip(keys, added, strict=True):
            queue.add(key, urgent=urgent)
        assert sorted(await order(queue, len(set(keys)))) == sorted(set(keys))
        assert len(queue) == 0

    asyncio.run(run())
