"""Those who look at objects go on whatever happens to one look; if one ends after all, that does not go unnoticed."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from support.external import external_secret

from gateway.controllers.external import held
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.known import Known
from gateway.controllers.external.looks import Outcome, Result
from gateway.controllers.external.run import Run
from gateway.controllers.external.shards import Shard
from gateway.controllers.external.shared import Shared
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.queue import WorkQueue
from gateway.kube import Key
from gateway.tasks import EndedError, lasting
from gateway_secrets.stores.errors import UnavailableError
from gateway_secrets.stores.model import Payload


def run(share: int = 2) -> Run:
    return Run(Known(Claims()), WorkQueue(share), ExternalMetrics(CollectorRegistry()), Shard(), "")


class Looks:
    """Looks at objects; the first look at each waits for what is cancelled."""

    def __init__(self) -> None:
        self.count: Counter[Key] = Counter()
        self.done = asyncio.Event()
        self.entered = asyncio.Event()
        self.most = 0

    async def sync(self, key: Key, _since: float, *, told: bool = False) -> Result:
        self.count[key] += 1
        if self.count[key] == 1:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        if min(self.count.values()) > 1 and len(self.count) == self.most:
            self.done.set()
        return Result(Outcome.UNCHANGED)


async def test_what_a_look_waits_for_may_be_cancelled() -> None:
    """The object comes again, and who looked at it goes on: of a few workers none is gone, of the namespace's share nothing."""
    looking, looks = run(), Looks()
    looks.most = 20
    for number in range(20):
        looking.queue.add(Key("a", str(number)))
    workers: Any = [asyncio.create_task(looking.turns.work(looks)) for _ in range(3)]  # type: ignore[arg-type]
    async with asyncio.timeout(60):
        await looks.done.wait()
    assert not any(worker.done() for worker in workers)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert all(worker.cancelled() for worker in workers)


class Stuck:
    """Looks and does not come back."""

    def __init__(self, end: BaseException | None = None) -> None:
        self.entered = asyncio.Event()
        self._end = end

    async def sync(self, _key: Key, _since: float, *, told: bool = False) -> Result:
        self.entered.set()
        if self._end is not None:
            raise self._end
        await asyncio.Event().wait()
        raise AssertionError


async def test_what_somebody_else_works_on_waits_and_does_not_fail() -> None:
    """However often it changes meanwhile, it is looked at when its wait is over, and no later."""
    looking, key = run(), Key("a", "db")
    looking.known.claims = Claims(("a",))
    objects = [held.external(external_secret("db", namespace="a") | {"status": {"at": at}}) for at in range(10)]
    objects[1:] = [
        msgspec.structs.replace(one, stranger="eso", stranger_at=str(at)) for at, one in enumerate(objects[1:])
    ]
    looking.known.externals = lambda _: objects[0]
    worker = asyncio.create_task(looking.turns.work(Stuck()))  # type: ignore[arg-type]
    for old, new in pairwise(objects):
        looking.external_changed(key, old, new)
    for _ in range(12):
        looking.queue.add(key)
        async with asyncio.timeout(60):
            while not looking.queue.later:  # noqa: ASYNC110 - a queue announces nothing
                await asyncio.sleep(0)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    looking.queue.add(key)
    assert await asyncio.wait_for(looking.queue.get(), 60) == key
    assert looking.queue.retry(key) <= 0.5
    looking.queue.close()


class Odd(BaseException):
    """What nobody expects."""


@pytest.mark.parametrize("end", [None, Odd()])
async def test_who_is_ended_gives_back_what_it_had(end: BaseException | None) -> None:
    """Another one can look at the object, and at others of its namespace, whose share is one here."""
    looking, stuck = run(share=1), Stuck(end)
    looking.queue.add(Key("a", "first"))
    worker = asyncio.create_task(looking.turns.work(stuck))  # type: ignore[arg-type]
    await asyncio.wait_for(stuck.entered.wait(), 60)
    if end is None:
        worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    looking.queue.add(Key("a", "second"))
    looking.queue.add(Key("a", "first"))
    first = await asyncio.wait_for(looking.queue.get(), 60)
    looking.queue.done(first)
    second = await asyncio.wait_for(looking.queue.get(), 60)
    assert {first.name, second.name} == {"first", "second"}
    looking.queue.close()


async def _ends() -> None:
    await asyncio.sleep(0)


async def _broken_off() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("work", [_ends, _broken_off])
async def test_work_that_shall_last_and_ends_ends_all(work: Any) -> None:
    """A TaskGroup would go on without it: so the loop fails, is seen to, and is run again."""

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lasting(work()))
            tasks.create_task(lasting(asyncio.Event().wait()))

    with pytest.raises(ExceptionGroup) as caught:
        await group()
    assert [type(one) for one in caught.value.exceptions] == [EndedError]


async def test_work_that_is_cancelled_is_just_cancelled() -> None:
    """As any other."""
    task = asyncio.create_task(lasting(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_a_read_that_is_broken_off_is_an_error_for_who_waits_for_it() -> None:
    """For each of them, and not the end of any."""
    shared = Shared(1_000, 1_000, clock=lambda: 100.0)

    async def read() -> Payload:
        await _broken_off()
        raise AssertionError

    waiting = [asyncio.create_task(shared.get(("p",), "a", 50.0, read)) for _ in range(3)]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [UnavailableError] * 3


async def test_reads_under_way_end_with_what_they_are_for() -> None:
    """None goes on after its owner has closed."""
    shared, left = Shared(1_000, 1_000), asyncio.Event()

    async def read() -> Payload:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    waiting = asyncio.create_task(shared.get(("p",), "a", 0.0, read))
    for _ in range(3):
        await asyncio.sleep(0)
    await shared.close()
    assert left.is_set()
    with pytest.raises(UnavailableError):
        await waiting


@pytest.mark.parametrize("outcome", [Outcome.WAITING, Outcome.REFUSED])
async def test_what_fails_is_looked_at_in_time_for_its_leases(outcome: Outcome) -> None:
    """However late it would be its turn."""
    looking, key = run(), Key("a", "b")
    for _ in range(8):
        looking.queue.add(key)
        await looking.queue.get()
        looking.queue.retry(key)
    looking.queue.add(key)
    await looking.queue.get()
    before = asyncio.get_running_loop().time()
    looking.turns._done(key, Result(outcome, 5.0), 0.0, told=False)
    timer = looking.queue._timers[key]
    assert timer.when() - before < 64.0
    looking.queue.close()
