"""The bounded queue between a worker and the writer."""

from __future__ import annotations

import asyncio

import pytest
from support.audit_facts import entry

from gateway.audit.queue import Queue, Waiting
from gateway.core.errors import AuditFullError


def _waiting(number: int, done: asyncio.Future[None] | None = None) -> Waiting:
    return Waiting(entry(number), float(number), done)


def test_order_survives_a_broken_connection() -> None:
    """What was sent and not acknowledged is sent again, before everything else and in its order."""
    queue = Queue(100)
    items = [_waiting(number) for number in range(6)]
    for item in items[:4]:
        queue.put(item)
    assert queue.take(10**9) == [item.entry for item in items[:4]]
    queue.acknowledge(1)
    for item in items[4:]:
        queue.put(item)
    assert queue.unsend() == 3
    assert queue.take(10**9) == [item.entry for item in items[1:]]


def test_bounds_on_records_and_bytes() -> None:
    """There is room until either bound is met; acknowledged entries make room again."""
    queue = Queue(2)
    queue.put(_waiting(0))
    assert queue.has_room()
    queue.put(_waiting(1))
    assert not queue.has_room()
    queue.take(10**9)
    queue.acknowledge(1)
    assert queue.has_room()
    small = Queue(1000, max_bytes=1)
    small.put(_waiting(0))
    assert not small.has_room()
    small.take(1)
    small.acknowledge(1)
    assert small.bytes == 0


def test_a_batch_is_bounded_but_never_empty() -> None:
    """One entry goes out even if it alone is over the bound."""
    queue = Queue(10)
    for number in range(3):
        queue.put(_waiting(number))
    assert len(queue.take(1)) == 1
    assert len(queue.take(10**9)) == 2
    assert queue.take(10**9) == []


async def test_waiters_get_room_in_order() -> None:
    """Whoever waits longest goes first, and no more go than there is room for."""
    queue = Queue(1)
    queue.put(_waiting(0))
    went: list[int] = []

    async def wait(number: int) -> None:
        await queue.room()
        queue.put(_waiting(number))
        went.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in (1, 2, 3)]
    for _ in range(3):
        await asyncio.sleep(0)
        queue.take(1)
        queue.acknowledge(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert went == [1, 2, 3]


async def test_room_offered_to_one_who_left_goes_to_the_next() -> None:
    """A request whose deadline ends while it is offered room does not take the room with it."""
    queue = Queue(1)
    queue.put(_waiting(0))
    first = asyncio.create_task(queue.room())
    second = asyncio.create_task(queue.room())
    await asyncio.sleep(0)
    queue.take(1)
    queue.acknowledge(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with asyncio.timeout(1):
        await second


async def test_failing_frees_all_who_wait_and_keeps_the_entries() -> None:
    """With a full disk nobody waits for an acknowledgement or for room, and nothing is dropped."""
    queue = Queue(2)
    done = asyncio.get_running_loop().create_future()
    queue.put(_waiting(0, done))
    queue.put(_waiting(1))
    waiter = asyncio.create_task(queue.room())
    await asyncio.sleep(0)
    queue.fail(lambda: AuditFullError("full"))
    with pytest.raises(AuditFullError):
        await done
    with pytest.raises(AuditFullError):
        await waiter
    assert len(queue) == 2


async def test_releasing_lets_go_without_error() -> None:
    """Set to count, those who wait for an acknowledgement go on."""
    queue = Queue(2)
    done = asyncio.get_running_loop().create_future()
    queue.put(_waiting(0, done))
    queue.release()
    await done
    assert len(queue) == 1
