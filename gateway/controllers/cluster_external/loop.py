"""ClusterExternalSecrets into ExternalSecrets, and ClusterPushSecrets into PushSecrets, for as long as this process leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from itertools import chain
from typing import Any

from prometheus_client import Gauge

from gateway.controllers.cluster_external import known as held
from gateway.controllers.cluster_external.known import (
    HeldCluster,
    HeldOne,
    HeldPlace,
    HeldStore,
    Known,
    Twin,
    held_cluster,
    held_one,
    held_place,
    held_store,
)
from gateway.controllers.cluster_external.worker import Outcome, Worker
from gateway.controllers.contests import Contests
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.held import CLUSTER_STORES, NAMESPACES, STORES
from gateway.controllers.frame import Checks, Context
from gateway.controllers.metrics import ClusterExternalMetrics, ClusterPushMetrics
from gateway.controllers.queue import WorkQueue
from gateway.controllers.states import States
from gateway.core.errors import ClusterError
from gateway.kube import Key, WatchCache, is_outdated, until_synced
from gateway.kube.pace import Pacer
from gateway_secrets.external.store import CLUSTER_STORE

_WORKERS = 4
_STATES = (Outcome.SYNCED, Outcome.FAILED, Outcome.MIXED)
_log = logging.getLogger(__name__)


def cluster_external_loop(context: Context) -> ClusterLoop | None:
    """The loop of ClusterExternalSecrets, if ExternalSecrets are resolved at all."""
    if not _asked_for(context):
        return None
    return ClusterLoop(context, "cluster-external", held.EXTERNALS, ClusterExternalMetrics(context.registry).objects)


def cluster_push_loop(context: Context) -> ClusterLoop | None:
    """The loop of ClusterPushSecrets, if PushSecrets are."""
    if not _asked_for(context):
        return None
    return ClusterLoop(context, "cluster-push", held.PUSH_TWIN, ClusterPushMetrics(context.registry).objects)


def _asked_for(context: Context) -> bool:
    settings = context.config.controller.external
    return settings.enabled or bool(settings.namespaces)


class ClusterLoop:
    """Watches, queues, and has workers bring one object after the other in sync."""

    everywhere = False

    def __init__(self, context: Context, name: str, twin: Twin, objects: Gauge) -> None:
        self.name = name
        self._context = context
        self._twin = twin
        self._objects = objects
        self._running: Run | None = None

    def checks(self) -> Checks:
        """Whether objects can be read, and nobody else works on the same ones."""
        return self._running.checks() if self._running is not None else {}

    async def run(self) -> None:
        """Until cancelled."""
        settings = self._context.config.controller.external
        run = Run(Known(Claims(settings.namespaces), self._twin), self._objects)
        async with contextlib.AsyncExitStack() as ends:
            ends.callback(run.queue.close)
            self._running = run
            await self._watch(run, ends)
            worker = Worker(self._context.client, run.known, Pacer(settings.requests_per_second, settings.burst))
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_WORKERS):
                    tasks.create_task(run.work(worker))

    async def _watch(self, run: Run, ends: contextlib.AsyncExitStack) -> None:
        """Start the caches, and wait until all have been read: nothing is made or deleted of half a picture."""
        client, twin = self._context.client, self._twin
        clusters = WatchCache(client, twin.cluster, partial(held_cluster, twin=twin), on_change=run.cluster_changed)
        places = WatchCache(client, NAMESPACES, partial(held_place, twin=twin), on_change=run.place_changed)
        externals = WatchCache(client, twin.made, partial(held_one, twin=twin), on_change=run.external_changed)
        stores = WatchCache(client, STORES, held_store, on_change=run.store_changed)
        shared = WatchCache(client, CLUSTER_STORES, held_store, on_change=run.store_changed)
        known = run.known
        known.clusters = lambda name: clusters.get("", name)
        known.places, known.external = places.items, lambda key: externals.get(*key)
        known.store = lambda ref, key: (shared if ref.kind == CLUSTER_STORE else stores).get(*key)
        known.stores = lambda: chain(shared.items(), stores.items())
        run.caches = [clusters, places, externals, stores, shared]
        for cache in run.caches:
            cache.start()
            ends.push_async_callback(cache.close)
        await until_synced(run.caches)


class Run:
    """What is known while the loop runs once."""

    caches: list[WatchCache[Any]]

    def __init__(self, known: Known, objects: Gauge) -> None:
        self.known = known
        self.queue = WorkQueue(_WORKERS)
        self._kind = known.twin.of.kind
        self._contests = Contests(f"{self._kind}s that govgate works on are worked on by somebody else, too")
        self._states = States(objects, _STATES)
        self._problems: dict[Key, str] = {}
        self.caches = []

    def checks(self) -> Checks:
        """What somebody should look at."""
        problems = [f"{cache.resource}: {cache.problem}" for cache in self.caches if cache.problem and not cache.absent]
        mixed = sorted(key.name for key in self._states.which(Outcome.MIXED))
        return {
            "objects": "; ".join(problems) or True,
            "contest": self._contests.problem(time.monotonic()) or True,
            "claims": f"only some of their stores are govgate's: {', '.join(mixed[:5])}" if mixed else True,
        }

    def cluster_changed(self, key: Key, old: HeldCluster | None, new: HeldCluster | None) -> None:
        """A ClusterExternalSecret came, changed, or went."""
        self.known.cluster_changed(key, old, new)
        if new is None:
            self.queue.forget(key)
            self._note(key, Outcome.GONE)
        elif old is None or old.trigger != new.trigger:
            self.queue.add(key, urgent=True)
        elif new.stranger and (new.stranger, new.stranger_at) != (old.stranger, old.stranger_at):
            if self._states.of(key) in (Outcome.SYNCED, Outcome.FAILED):
                contest = self._contests.note(key, new.stranger, time.monotonic())
                fields = {"object": key.name, "writer": new.stranger, "times": contest.times}
                _log.warning(f"somebody else works on a {self._kind} of govgate's", extra={"fields": fields})
            self.queue.add(key)

    def external_changed(self, key: Key, old: HeldOne | None, new: HeldOne | None) -> None:
        """An ExternalSecret did, which may be in somebody's way, or be somebody's own; but for its status."""
        self.known.external_changed(key, old, new)
        if old is None or new is None or old.trigger != new.trigger or old.uid != new.uid:
            for one in self.known.of_external(key, old, new):
                self.queue.add(one)

    def store_changed(self, key: Key, old: HeldStore | None, new: HeldStore | None) -> None:
        """A store did, by which those that refer to it may be others' now."""
        if old is None or old != new:
            for one in self.known.of_store(key, old, new):
                self.queue.add(one)

    def place_changed(self, key: Key, old: HeldPlace | None, new: HeldPlace | None) -> None:
        """A namespace did, which some select, or selected."""
        if old is None or old != new:
            for one in self.known.of_place(key.name, old, new):
                self.queue.add(one)

    async def work(self, worker: Worker) -> None:
        """Look at one object after the other."""
        while True:
            key = await self.queue.get()
            await self._one(worker, key)

    async def _one(self, worker: Worker, key: Key) -> None:
        wait = self._contests.wait(key, time.monotonic())
        if wait:
            self.queue.retry(key, wait)
            return
        try:
            result = await worker.sync(key.name)
        except ClusterError as error:
            if not is_outdated(error):
                self._note(key, Outcome.FAILED, str(error))
            self.queue.retry(key)
        except Exception as error:  # noqa: BLE001 - whatever is odd about one object, the others go on
            self._note(key, Outcome.FAILED, f"internal error: {type(error).__name__}")
            self.queue.retry(key)
        else:
            self._note(key, result.outcome, result.problem)
            if result.outcome is Outcome.FAILED:
                self.queue.retry(key)
            else:
                self.queue.done(key, result.again_in)

    def _note(self, key: Key, state: Outcome, problem: str = "") -> None:
        """Take note of how an object is."""
        self._states.note(key, state if state in _STATES else None)
        if problem and problem != self._problems.get(key):
            fields = {"object": key.name, "problem": problem}
            _log.warning(f"{self._kind} not in sync", extra={"fields": fields})
        self._problems[key] = problem
        if not problem:
            del self._problems[key]
