"""SealedSecrets of claimed namespaces into Secrets, for as long as this process leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from datetime import timedelta

from gateway.controllers.contests import Contests, overwritten
from gateway.controllers.frame import Checks, Context
from gateway.controllers.metrics import SealedMetrics
from gateway.controllers.queue import WorkQueue
from gateway.controllers.sealed.claims import Claims
from gateway.controllers.sealed.held import SEALED, SECRETS, Held, Reader
from gateway.controllers.sealed.keeper import Keeper
from gateway.controllers.sealed.templates import templates_by
from gateway.controllers.sealed.worker import Outcome, Worker
from gateway.controllers.states import States
from gateway.core.errors import ClusterError
from gateway.kube import Key, WatchCache, is_outdated, until_synced
from gateway.kube.discovery import Pace
from gateway.kube.pace import Pacer
from gateway.native.templates import Renderer

_log = logging.getLogger(__name__)

_STATES = {Outcome.REFUSED: "refused", Outcome.DENIED: "refused"}


def sealed_loop(context: Context) -> SealedLoop | None:
    """The loop, if namespaces are claimed."""
    return SealedLoop(context) if context.config.controller.sealed.namespaces else None


class SealedLoop:
    """Watches, queues, and has workers bring one object after the other in sync."""

    name = "sealed"
    everywhere = False

    def __init__(self, context: Context, pace: Pace | None = None) -> None:
        """``pace`` is awaited before each write, between looking and writing; else as configured."""
        settings = context.config.controller.sealed
        self._settings = settings
        self._client = context.client
        self._key_namespace = settings.key_namespace or context.config.cluster.own_namespace
        self._claims = Claims(settings.namespaces)
        self._metrics = SealedMetrics(context.registry)
        self._pace = pace or Pacer(settings.requests_per_second, settings.burst)
        self._running: _Run | None = None

    def checks(self) -> Checks:
        """Whether keys and objects can be read, and nobody else writes the same Secrets."""
        return self._running.checks() if self._running is not None else {}

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            GovgateError: there is no key, and none can be made.
        """
        renew = timedelta(days=self._settings.renew_days)
        run = _Run(self._metrics, share=max(1, self._settings.concurrency - 1))
        run.keeper = Keeper(
            self._client, self._key_namespace, renew=renew, changed=run.keys_changed, noted=run.backups_noted
        )
        self._running = run
        reader = Reader(self._claims)
        async with contextlib.AsyncExitStack() as ends:
            ends.callback(run.queue.close)
            await ends.enter_async_context(run.keeper.watching())
            await run.keeper.settled()
            for namespace in self._claims.watched:
                run.add(
                    namespace,
                    WatchCache(self._client, SECRETS, reader.secret, namespace=namespace, on_change=run.secret_changed),
                    WatchCache(self._client, SEALED, reader.sealed, namespace=namespace, on_change=run.sealed_changed),
                )
            for cache in run.caches:
                cache.start()
                ends.push_async_callback(cache.close)
            await until_synced(run.caches)
            renderer = ends.enter_context(contextlib.closing(Renderer()))
            worker = Worker(self._client, run.sealed, run.secrets, self._pace, templates_by(renderer))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run.keeper.run())
                for _ in range(self._settings.concurrency):
                    tasks.create_task(run.work(worker))


class _View:
    """Several caches of one type, of a namespace each, or one of all."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, WatchCache[Held | None]] = {}

    def add(self, namespace: str, cache: WatchCache[Held | None]) -> None:
        self._by_namespace[namespace] = cache

    def get(self, namespace: str, name: str) -> Held | None:
        cache = self._by_namespace.get(namespace, self._by_namespace.get(""))
        return cache.get(namespace, name) if cache is not None else None


class _Run:
    """What is known while the loop runs once."""

    keeper: Keeper

    def __init__(self, metrics: SealedMetrics, *, share: int) -> None:
        self.queue = WorkQueue(share)
        self.sealed = _View()
        self.secrets = _View()
        self.caches: list[WatchCache[Held | None]] = []
        self._metrics = metrics
        self._contests = Contests()
        self._states = States(metrics.objects, ("synced", "refused", "failing"))

    def add(self, namespace: str, secrets: WatchCache[Held | None], sealed: WatchCache[Held | None]) -> None:
        """Have two caches of a namespace looked into."""
        self.secrets.add(namespace, secrets)
        self.sealed.add(namespace, sealed)
        self.caches += [secrets, sealed]

    def checks(self) -> Checks:
        """What somebody should look at."""
        problems = [f"{cache.resource}: {cache.problem}" for cache in self.caches if cache.problem]
        absent = ["the cluster does not know SealedSecrets"] if any(cache.absent for cache in self.caches) else []
        unreadable = sum(cache.unreadable for cache in self.caches)
        odd = [f"{unreadable} objects cannot be read"] if unreadable else []
        return {
            "keys": self.keeper.problem or True,
            "objects": "; ".join(problems + absent + odd) or True,
            "contest": self._contests.problem(time.monotonic()) or True,
        }

    def sealed_changed(self, key: Key, _old: Held | None, new: Held | None) -> None:
        """A SealedSecret came, changed, or went."""
        if new is not None:
            self.queue.add(key, urgent=new.urgent)
        else:
            self._states.note(key, None)
        self._metrics.waiting.set(len(self.queue) + self.queue.later)

    def secret_changed(self, key: Key, old: Held | None, new: Held | None) -> None:
        """A Secret did: whether it is as it should be is for a look to say."""
        if self.sealed.get(*key) is None:
            return
        if old is not None and new is not None and overwritten(old.document, new.document):
            contest = self._contests.note(key, new.writer, time.monotonic())
            self._metrics.overwritten.inc()
            fields = {"object": "/".join(key), "writer": contest.writer, "times": contest.times}
            _log.warning("somebody else wrote the Secret of a claimed SealedSecret", extra={"fields": fields})
        self.queue.add(key)

    def keys_changed(self) -> None:
        """Other keys: what none opened, one of them may."""
        pairs = self.keeper.ring.pairs
        self._metrics.keys.set(len(pairs))
        self._metrics.newest.set(pairs[0].certificate.not_before.timestamp() if pairs else 0)
        for key in list(self._states.which("refused")):
            self.queue.add(key)

    def backups_noted(self) -> None:
        """Which keys are in a backup, and since when, may be another."""
        backups = self.keeper.backups
        self._metrics.not_backed_up.set(len(backups.missing))
        last = backups.last.timestamp() if backups.last is not None else -math.inf
        self._metrics.backup_age.set_function(lambda: time.time() - last)

    async def work(self, worker: Worker) -> None:
        """Look at one object after the other."""
        while True:
            key = await self.queue.get()
            await self._one(worker, key)
            self._metrics.waiting.set(len(self.queue) + self.queue.later)

    async def _one(self, worker: Worker, key: Key) -> None:
        wait = self._contests.wait(key, time.monotonic())
        if wait:
            self.queue.retry(key, wait)
            return
        try:
            outcome = await worker.sync(key, self.keeper.ring)
        except ClusterError as error:
            self._failed(key, str(error), quiet=is_outdated(error))
        except Exception as error:  # noqa: BLE001 - whatever is odd about one object, the others go on; no text: it may hold a value
            self._failed(key, f"internal error: {type(error).__name__}")
        else:
            self._metrics.looks.labels(outcome).inc()
            self._states.note(key, None if outcome is Outcome.GONE else _STATES.get(outcome, "synced"))
            if outcome is Outcome.DENIED:
                self.queue.retry(key)
            else:
                self.queue.done(key)

    def _failed(self, key: Key, problem: str, *, quiet: bool = False) -> None:
        """It comes again. ``quiet``: what was looked at was not the newest, which is nothing to tell of."""
        delay = self.queue.retry(key)
        self._metrics.looks.labels("failed").inc()
        if quiet:
            return
        self._states.note(key, "failing")
        fields = {"object": "/".join(key), "problem": problem, "seconds": delay}
        _log.warning("SealedSecret not brought in sync", extra={"fields": fields})
