"""ExternalSecrets into Secrets, for as long as this process leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from gateway.controllers.external import held
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.held import Held, HeldSecret, Json
from gateway.controllers.external.intake import serving
from gateway.controllers.external.journal import journal
from gateway.controllers.external.key import mark_key
from gateway.controllers.external.known import Known, kind_of
from gateway.controllers.external.polling import Poller
from gateway.controllers.external.queue import FairQueue
from gateway.controllers.external.reading import Sources
from gateway.controllers.external.rollouts import Rollouts
from gateway.controllers.external.shared import Path, Shared
from gateway.controllers.external.stores import Stores
from gateway.controllers.external.uses import Change, Uses
from gateway.controllers.external.worker import Outcome, Result, Tools, Worker
from gateway.controllers.frame import Checks, Context
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.sealed.contests import Contests
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, Key, WatchCache
from gateway.kube.pace import Pacer
from gateway.native.templates import Renderer
from gateway_secrets.external.store import CLUSTER_STORE, Store
from gateway_secrets.stores.credentials import KubeCredentials

_POLL_SECONDS = 0.05
_UPKEEP_SECONDS = 5.0
_OUTDATED = frozenset((404, 409))
_STATES = {Outcome.REFUSED: "refused", Outcome.WAITING: "waiting"}
_log = logging.getLogger(__name__)


def external_loop(context: Context) -> ExternalLoop | None:
    """The loop, if it is asked for."""
    settings = context.config.controller.external
    return ExternalLoop(context) if settings.enabled or settings.namespaces else None


class ExternalLoop:
    """Watches, queues, and has workers bring one object after the other in sync."""

    name = "external"
    everywhere = False

    def __init__(self, context: Context) -> None:
        self._context = context
        self._metrics = ExternalMetrics(context.registry)
        self._running: _Run | None = None

    def checks(self) -> Checks:
        """Whether objects can be read, all stores answer, and nobody else works on the same objects."""
        return self._running.checks() if self._running is not None else {}

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            GovgateError: the key of the marks, or the audit log, cannot be had.
        """
        context, settings = self._context, self._context.config.controller.external
        known = Known(Claims(settings.namespaces))
        key, problem = await mark_key(context.client, context.config.cluster.own_namespace)
        run = _Run(known, FairQueue(settings.namespace_concurrency), self._metrics, problem)
        async with contextlib.AsyncExitStack() as ends:
            ends.callback(run.queue.close)
            notes = await ends.enter_async_context(journal(context.folder, context.config.audit))
            renderer = ends.enter_context(contextlib.closing(Renderer()))
            credentials = KubeCredentials(context.client)
            stores = Stores(credentials, settings.store_requests_per_second, recovered=run.recovered)
            ends.push_async_callback(stores.close)
            run.stores = stores
            run.shared = Shared(
                settings.cache_bytes,
                settings.namespace_cache_bytes,
                on_read=self._metrics.reads.inc,
                on_hit=self._metrics.hits.inc,
            )
            pace = Pacer(settings.requests_per_second, settings.burst)
            if settings.restarts.enabled:
                run.rollouts = Rollouts(
                    context.client, pace, key, settings.restarts.settle_seconds, self._metrics.restarts.inc
                )
                ends.callback(run.rollouts.close)
            await self._watch(run, ends)
            self._running = run
            actor = f"govgate-controller in {context.config.cluster.own_namespace}"
            sources = Sources(known, stores, run.shared, notes, actor)
            worker = Worker(Tools(context.client, sources, renderer, key, pace))
            if settings.intake.enabled:
                port = await ends.enter_async_context(serving(settings.intake, run.told))
                _log.info("changes are taken", extra={"fields": {"port": port}})
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(run.upkeep())
                if run.rollouts is not None:
                    tasks.create_task(run.rollouts.run())
                if settings.poll_seconds:
                    poller = Poller(known, stores, run.uses, settings.poll_seconds, run.paths_changed)
                    tasks.create_task(poller.run())
                for _ in range(settings.concurrency):
                    tasks.create_task(run.work(worker))

    async def _watch(self, run: _Run, ends: contextlib.AsyncExitStack) -> None:
        """Start the caches, and wait until all have been read: stores first, or all would be without one."""
        client, known = self._context.client, run.known
        stores: WatchCache[Json] = WatchCache(client, held.STORES, held.store, on_change=run.store_changed)
        clusters: WatchCache[Json] = WatchCache(client, held.CLUSTER_STORES, held.store, on_change=run.store_changed)
        namespaces = WatchCache(client, held.NAMESPACES, held.labels, on_change=run.namespace_changed)
        secrets = WatchCache(client, held.SECRETS, held.secret, selector=held.SELECTOR, on_change=run.secret_changed)
        externals = WatchCache(client, held.EXTERNAL, held.external, on_change=run.external_changed)
        known.externals = lambda key: externals.get(*key)
        known.secrets = lambda key: secrets.get(*key)
        known.labels = lambda name: namespaces.get("", name) or {}
        first: list[WatchCache[Any]] = [stores, clusters, namespaces, secrets]
        last: list[WatchCache[Any]] = [externals]
        if run.rollouts is not None:
            run.rollouts.secrets = known.secrets
            last += run.rollouts.caches.values()
        for caches in (first, last):
            for cache in caches:
                run.caches.append(cache)
                cache.start()
                ends.push_async_callback(cache.close)
            while not all(cache.synced for cache in caches):  # noqa: ASYNC110 - a cache announces nothing
                await asyncio.sleep(_POLL_SECONDS)


class _Run:
    """What is known while the loop runs once."""

    stores: Stores
    shared: Shared

    def __init__(self, known: Known, queue: FairQueue, metrics: ExternalMetrics, key_problem: str) -> None:
        self.known = known
        self.queue = queue
        self.caches: list[WatchCache[Any]] = []
        self._metrics = metrics
        self._key_problem = key_problem
        self._contests = Contests("ExternalSecrets that govgate works on are worked on by somebody else, too")
        self._states: dict[Key, str] = {}
        self._problems: dict[Key, str] = {}
        self.uses = Uses()
        self.rollouts: Rollouts | None = None
        self._since: dict[Key, float] = {}
        self._told: set[Key] = set()
        self._began = time.time()
        for state in ("synced", "refused", "waiting", "failing"):
            metrics.objects.labels(state).set(0)

    def checks(self) -> Checks:
        """What somebody should look at."""
        problems = [f"{cache.resource}: {cache.problem}" for cache in self.caches if cache.problem]
        absent = [f"the cluster does not know {cache.resource}" for cache in self.caches if cache.absent]
        unreadable = sum(cache.unreadable for cache in self.caches)
        odd = [f"{unreadable} objects cannot be read"] if unreadable else []
        return {
            "objects": "; ".join(problems + absent + odd) or True,
            "contest": self._contests.problem(time.monotonic()) or True,
            "key": self._key_problem or True,
        }

    def external_changed(self, key: Key, old: Held | None, new: Held | None) -> None:
        """An ExternalSecret came, changed, or went."""
        self.known.external_changed(key, old, new)
        if new is None:
            self.queue.forget(key)
            self.uses.forget(key)
            self._since.pop(key, None)
            self._told.discard(key)
            self._note(key, None)
            return
        if old is not None and old.trigger == new.trigger:
            # Only its status changed, which is govgate's own doing, or that of somebody who works on it as well.
            if new.stranger and (new.stranger, new.stranger_at) != (old.stranger, old.stranger_at):
                self._contested(key, new)
            elif old.ready and not new.ready and self._states.get(key) == "synced":
                self.queue.add(key)
            return
        self._since[key] = time.time()
        self.queue.add(key, urgent=old is not None or not new.ready)

    def secret_changed(self, key: Key, old: HeldSecret | None, new: HeldSecret | None) -> None:
        """A Secret did: whether it is as it should be is for a look to say."""
        self.known.secret_changed(key, old, new)
        if self.rollouts is not None and new is not None:
            self.rollouts.secret_changed(key)
        for external in self.known.of_target(key):
            self.queue.add(external)

    def store_changed(self, key: Key, _old: Json | None, new: Json | None) -> None:
        """A store did: those that refer to it may be others' now, or may be read now."""
        kind = kind_of(key.namespace)
        self.known.store_changed(kind, key, new)
        if hasattr(self, "stores"):
            self.stores.changed(kind, key.namespace, key.name)
        for external in self.known.of_store(kind, key):
            self.queue.add(external)

    def namespace_changed(self, key: Key, old: dict[str, str] | None, new: dict[str, str] | None) -> None:
        """Labels did, by which a store may be used or not: those that are refused are looked at again."""
        if old is not None and new is not None and old != new:
            for external in [
                one for one, state in self._states.items() if one.namespace == key.name and state == "refused"
            ]:
                self.queue.add(external)

    def recovered(self, store: Store) -> None:
        """A store answers again: who waits for it need not wait for its turn."""
        key = Key("" if store.ref.kind == CLUSTER_STORE else store.namespace, store.ref.name)
        for external in self.known.of_store(store.ref.kind, key):
            if self._states.get(external) in ("waiting", "failing"):
                self.queue.add(external, urgent=True)

    def told(self, changes: list[Change]) -> None:
        """Somebody says that secrets changed."""
        self._metrics.notices.inc(len(changes))
        for change in changes:
            self.paths_changed(self.uses.changed(change))

    def paths_changed(self, paths: list[Path]) -> None:
        """What is at these paths is another than it was: who reads it is looked at at once."""
        now = time.time()
        for path in paths:
            for key in self.uses.users(path):
                self._since[key] = now
                self._told.add(key)
                self.queue.add(key, urgent=True)

    async def work(self, worker: Worker) -> None:
        """Look at one object after the other."""
        while True:
            key = await self.queue.get()
            await self._one(worker, key)

    async def upkeep(self) -> None:
        """Tell of numbers that change by themselves."""
        while True:
            self._metrics.waiting.set(len(self.queue))
            self._metrics.stores.set(len(self.stores))
            self._metrics.kept.set(self.shared.bytes)
            await asyncio.sleep(_UPKEEP_SECONDS)

    async def _one(self, worker: Worker, key: Key) -> None:
        wait = self._contests.wait(key, time.monotonic())
        if wait:
            self.queue.retry(key, wait)
            return
        began = time.time()
        told = key in self._told
        self._told.discard(key)
        try:
            result = await worker.sync(key, self._since.get(key, self._began), told=told)
        except ClusterError as error:
            self._failed(key, str(error), told=told, quiet=isinstance(error, ApiError) and error.code in _OUTDATED)
        except Exception as error:  # noqa: BLE001 - whatever is odd about one object, the others go on; no text: it may hold a value
            self._failed(key, f"internal error: {type(error).__name__}", told=told)
        else:
            self._done(key, result, began, told=told)

    def _done(self, key: Key, result: Result, began: float, *, told: bool) -> None:
        self._metrics.looks.labels(result.outcome).inc()
        gone = result.outcome in (Outcome.GONE, Outcome.UNCLAIMED)
        if gone:
            self.uses.forget(key)
        else:
            self.uses.note(key, result.paths, result.versions)
        self._note(key, None if gone else _STATES.get(result.outcome, "synced"), result.problem)
        if result.outcome in _STATES:
            # What failed is not believed a second time: the next try reads anew, once for all who wait for the same.
            self._since[key] = max(self._since.get(key, 0.0), began)
            if told:
                self._told.add(key)
            self.queue.retry(key)
        else:
            self.queue.done(key, result.again_in)

    def _failed(self, key: Key, problem: str, *, told: bool, quiet: bool = False) -> None:
        """It comes again. ``told``: and is read then. ``quiet``: what was looked at was not the newest: nothing to tell of."""
        if told:
            self._told.add(key)
        delay = self.queue.retry(key)
        self._metrics.looks.labels("failed").inc()
        if not quiet:
            self._note(key, "failing", f"{problem} (again in {delay:.0f} s)")

    def _contested(self, key: Key, new: Held) -> None:
        held_now = self.known.externals(key)
        if held_now is None or not self.known.claimed(key, held_now):
            return
        contest = self._contests.note(key, new.stranger, time.monotonic())
        self._metrics.contested.inc()
        fields = {"object": "/".join(key), "writer": new.stranger, "times": contest.times}
        _log.warning("somebody else works on an ExternalSecret of govgate's", extra={"fields": fields})
        self.queue.add(key)

    def _note(self, key: Key, state: str | None, problem: str = "") -> None:
        """Take note of how an object is; None: it is no more."""
        before = self._states.pop(key, None)
        if before is not None:
            self._metrics.objects.labels(before).dec()
        if state is not None:
            self._states[key] = state
            self._metrics.objects.labels(state).inc()
        if problem and problem != self._problems.get(key):
            _log.warning("ExternalSecret not in sync", extra={"fields": {"object": "/".join(key), "problem": problem}})
        self._problems.pop(key, None)
        if problem and state is not None:
            self._problems[key] = problem
