"""ExternalSecrets have their turns: which waits for one, what came of it, and when the next one is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from gateway.controllers.contests import Contests
from gateway.controllers.external.looks import Outcome, Result
from gateway.controllers.external.shards import Shard
from gateway.controllers.external.shared import Path
from gateway.controllers.external.uses import Uses
from gateway.controllers.external.windows import Since
from gateway.controllers.external.worker import Worker
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.not_ready import NotReady
from gateway.controllers.queue import WorkQueue
from gateway.controllers.states import States
from gateway.core.errors import ClusterError
from gateway.kube import Key, is_outdated
from gateway.tasks import is_cancelled

_TOLD_AT = 2
"""Times in an hour: once may be somebody who tried something out."""
_STATES = {Outcome.REFUSED: "refused", Outcome.WAITING: "waiting", Outcome.FAILED: "failing"}
_log = logging.getLogger(__name__)


class Turns:
    """Of the objects that are this process's to look at. ``polls``: whether stores are asked for what has changed."""

    polls = False

    def __init__(
        self, queue: WorkQueue, uses: Uses, metrics: ExternalMetrics, shard: Shard, not_ready: NotReady
    ) -> None:
        self._queue = queue
        self._uses = uses
        self._metrics = metrics
        self._shard = shard
        self._not_ready = not_ready
        self._contests = Contests("ExternalSecrets that govgate works on are worked on by somebody else, too")
        self.states = States(metrics.objects, ("synced", "refused", "waiting", "failing"))
        self._problems: dict[Key, str] = {}
        self._since: dict[Key, float] = {}
        self._anew: dict[Key, tuple[frozenset[Path], float]] = {}
        """What could not be read of an object, and when."""
        self._told: set[Key] = set()
        self._rivals: dict[Key, str] = {}
        """Who else works on an object that is yet to be told of it."""
        self._began = time.time()

    @property
    def contest(self) -> str:
        """Who else works on the same ones; empty if nobody does."""
        return self._contests.problem(time.monotonic())

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Have one looked at, if it is this process's to look at."""
        if self._shard.has(key.namespace):
            self._queue.add(key, urgent=urgent)

    def changed(self, key: Key, *, urgent: bool) -> None:
        """One says another thing than it did: what was read before that is not good enough."""
        self._since[key] = time.time()
        self.add(key, urgent=urgent)

    def outdated(self, keys: Iterable[Key]) -> None:
        """What these read is another than it was: they are looked at at once."""
        for key in keys:
            self._told.add(key)
            self.add(key, urgent=True)

    def contested(self, key: Key, writer: str) -> None:
        """Somebody else works on one that is govgate's."""
        contest = self._contests.note(key, writer, time.monotonic())
        self._metrics.contested.inc()
        if contest.times == _TOLD_AT:
            self._rivals[key] = contest.writer
        fields = {"object": "/".join(key), "writer": writer, "times": contest.times}
        _log.warning("somebody else works on an ExternalSecret of govgate's", extra={"fields": fields})
        self.add(key)

    def forget(self, key: Key) -> None:
        """One is no more."""
        self._queue.forget(key)
        self._uses.forget(key)
        self._since.pop(key, None)
        self._anew.pop(key, None)
        self._told.discard(key)
        self._rivals.pop(key, None)
        self._note(key, None)

    async def work(self, worker: Worker) -> None:
        """Look at one object after the other."""
        while True:
            key = await self._queue.get()
            try:
                await self._one(worker, key)
            except BaseException:
                # Nobody works on it any more, whoever ended this: it must not be held as if somebody did.
                self._queue.release(key)
                raise

    async def _one(self, worker: Worker, key: Key) -> None:
        wait = self._contests.wait(key, time.monotonic())
        if wait:
            self._queue.done(key, wait)  # no failure: however often it is changed meanwhile, it is looked at after that
            return
        began = time.time()
        told = key in self._told
        self._told.discard(key)
        try:
            if key in self._rivals:
                await worker.contested(key, self._rivals.pop(key))
            result = await worker.sync(key, self._since_of(key), told=told)
        except ClusterError as error:
            self._failed(key, str(error), told=told, quiet=is_outdated(error))
        except Exception as error:  # noqa: BLE001 - whatever is odd about one object, the others go on; no text: it may hold a value
            self._failed(key, f"internal error: {type(error).__name__}", told=told)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            self._failed(key, "internal error: what it waited for was cancelled", told=told)
        else:
            self._done(key, result, began, told=told)

    def _since_of(self, key: Key) -> Since:
        """Since when what an object reads is good enough, window or not."""
        least = self._since.get(key, self._began)
        failed, at = self._anew.get(key, (frozenset(), 0.0))
        return lambda path: max(least, self._uses.outdated_at(path), at if path in failed else least)

    def _done(self, key: Key, result: Result, began: float, *, told: bool) -> None:
        self._metrics.looks.labels(result.outcome).inc()
        gone = result.outcome in (Outcome.GONE, Outcome.UNCLAIMED)
        if gone:
            self._uses.forget(key)
        else:
            self._uses.note(key, result.reads)
            if result.partial and not self._uses.whole(key) and (self.polls or result.reads.interval > 0):
                # What its searches found before this process began is not known, so nobody would see it change.
                self.outdated([key])
        self._note(key, None if gone else _STATES.get(result.outcome, "synced"), result.problem)
        if result.outcome in _STATES:
            # What failed is not believed a second time: the next try reads anew, once for all who wait for the same. What was read
            # is good as long as nothing is wrong with it.
            if result.anew is None:
                self._since[key] = max(self._since.get(key, 0.0), began)
            elif result.anew:
                self._anew[key] = result.anew, time.time()
            if told:
                self._told.add(key)
            self._queue.retry(key, most=result.again_in)
        else:
            self._anew.pop(key, None)
            self._queue.done(key, result.again_in)

    def _failed(self, key: Key, problem: str, *, told: bool, quiet: bool = False) -> None:
        """It comes again. ``told``: and is read then. ``quiet``: what was looked at was not the newest: nothing to tell of."""
        if told:
            self._told.add(key)
        self._queue.retry(key)
        self._metrics.looks.labels("failed").inc()
        if not quiet:
            self._note(key, "failing", problem)

    def _note(self, key: Key, state: str | None, problem: str = "") -> None:
        """Take note of how an object is; None: it is no more."""
        self.states.note(key, state)
        self._not_ready.note("ExternalSecret", key, bad=state not in (None, "synced"))
        if problem and problem != self._problems.get(key):
            _log.warning("ExternalSecret not in sync", extra={"fields": {"object": "/".join(key), "problem": problem}})
        self._problems.pop(key, None)
        if problem and state is not None:
            self._problems[key] = problem
