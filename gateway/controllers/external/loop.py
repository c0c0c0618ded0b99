"""ExternalSecrets into Secrets, for as long as this process leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

import msgspec

from gateway.controllers.external import held
from gateway.controllers.external.bringing import Tools
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.dynamic import Dynamics
from gateway.controllers.external.generators import Generators, caches_of
from gateway.controllers.external.held import Json
from gateway.controllers.external.intake import serving
from gateway.controllers.external.journal import journal
from gateway.controllers.external.key import mark_key
from gateway.controllers.external.known import Known
from gateway.controllers.external.polling import Poller
from gateway.controllers.external.push_worker import PushWorker
from gateway.controllers.external.pushes import Pushes
from gateway.controllers.external.pushing import Pushing
from gateway.controllers.external.reading import Sources
from gateway.controllers.external.refreshing import Refresher
from gateway.controllers.external.rollouts import Rollouts
from gateway.controllers.external.run import Run
from gateway.controllers.external.sessions import Sessions
from gateway.controllers.external.shards import shard_of
from gateway.controllers.external.shared import Shared
from gateway.controllers.external.store_checks import StoreChecks
from gateway.controllers.external.store_status import StoreStatus
from gateway.controllers.external.stores import Bounds, Stores
from gateway.controllers.external.worker import Worker
from gateway.controllers.frame import Checks, Context
from gateway.controllers.metrics import ExternalMetrics, PushMetrics
from gateway.controllers.queue import WorkQueue
from gateway.kube import WatchCache, until_synced
from gateway.kube.discovery import Pace
from gateway.kube.election import Elector
from gateway.kube.pace import Pacer
from gateway.native.templates import Renderer
from gateway.tasks import lasting
from gateway_secrets.stores.credentials import KubeCredentials

_log = logging.getLogger(__name__)


def external_loop(context: Context) -> ExternalLoop | None:
    """The loop, if it is asked for."""
    settings = context.config.controller.external
    return ExternalLoop(context) if settings.enabled or settings.namespaces else None


class ExternalLoop:
    """Watches, queues, and has workers bring one object after the other in sync."""

    name = "external"

    def __init__(self, context: Context) -> None:
        self._context = context
        settings, election = context.config.controller.external, context.config.controller.election
        self._shard = shard_of(settings, socket.gethostname())
        # Of several parts each has a Lease of its own, and somebody to work on it, whoever has that of everything else.
        self.everywhere = settings.shards > 1
        self._elector: Elector | None = None
        if self.everywhere and election.enabled:
            name = f"{election.name}-external-{self._shard.index}"
            own = msgspec.structs.replace(election, name=name)
            self._elector = Elector(context.client, context.config.cluster.own_namespace, own)
        self._metrics = ExternalMetrics(context.registry)
        self._push_metrics = PushMetrics(context.registry)
        self._running: Run | None = None

    def checks(self) -> Checks:
        """Whether objects can be read, all stores answer, and nobody else works on the same objects."""
        checks: dict[str, bool | str] = {}
        if self._elector is not None:
            checks["election"] = self._elector.problem or True
        if self._running is not None:
            checks.update(self._running.checks())
        return checks

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            GovgateError: the key of the marks, or the audit log, cannot be had.
        """
        await (self._work() if self._elector is None else self._elector.run(self._work))

    async def _work(self) -> None:
        context, settings = self._context, self._context.config.controller.external
        known = Known(Claims(settings.namespaces))
        key, problem = await mark_key(context.client, context.config.cluster.own_namespace)
        run = Run(known, WorkQueue(settings.namespace_concurrency), self._metrics, self._shard, problem)
        changes = run.store_changes
        async with contextlib.AsyncExitStack() as ends:
            ends.callback(run.queue.close)
            notes = await ends.enter_async_context(journal(context.folder, context.config.audit))
            renderer = ends.enter_context(contextlib.closing(Renderer()))
            credentials = KubeCredentials(context.client)
            bounds = Bounds(settings.store_requests_per_second, settings.open_stores, settings.store_threads)
            stores = Stores(
                credentials,
                bounds,
                recovered=changes.recovered,
                failed=changes.failed,
                asked=changes.asked,
                logins=run.logged_in,
            )
            ends.push_async_callback(stores.close)
            changes.stores = stores
            pace = Pacer(settings.requests_per_second, settings.burst)
            changes.status = StoreStatus(context.client, pace)
            changes.checks = StoreChecks(known, stores, changes.say)
            run.shared = Shared(
                settings.cache_bytes,
                settings.namespace_cache_bytes,
                on_read=self._metrics.reads.inc,
                on_hit=self._metrics.hits.inc,
            )
            ends.push_async_callback(run.shared.close)
            if settings.restarts.enabled:
                restarted = self._metrics.restarts.inc
                settle = settings.restarts.settle_seconds
                run.rollouts = Rollouts(context.client, pace, key, settle, restarted)
                run.rollouts.mine = self._shard.has
                ends.callback(run.rollouts.close)
            run.turns.polls = settings.poll_seconds > 0
            await self._watch(run, ends)
            self._running = run
            actor = f"govgate-controller in {context.config.cluster.own_namespace}"
            sessions = Sessions(
                context.client,
                credentials,
                stores.threads,
                stores.limits,
                run.generators_recovered,
                logins=run.logged_in,
            )
            dynamics = Dynamics(
                context.client,
                sessions,
                notes,
                pace,
                key=key,
                actor=actor,
                least_refresh=settings.min_refresh_seconds,
                grace=settings.revoke_grace_seconds,
            )
            sources = Sources(known, stores, run.shared, notes, actor, self._generate(run, dynamics, ends))
            worker = Worker(Tools(context.client, sources, renderer, key, pace, settings.min_refresh_seconds))
            run.gone = worker.gone
            if settings.intake.enabled:
                port = await ends.enter_async_context(serving(settings.intake, run.told))
                _log.info("changes are taken", extra={"fields": {"port": port}})
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(lasting(Refresher(sources, run.uses, run.turns.outdated).run()))
                tasks.create_task(lasting(run.upkeep()))
                tasks.create_task(lasting(changes.status.run()))
                tasks.create_task(lasting(changes.checks.run()))
                changes.pushes = self._pushes(run, sources, renderer, pace)
                tasks.create_task(lasting(changes.pushes.run()))
                if run.rollouts is not None:
                    tasks.create_task(lasting(run.rollouts.run()))
                if settings.poll_seconds:
                    poller = Poller(known, stores, run.uses, settings.poll_seconds, run.turns.outdated)
                    tasks.create_task(lasting(poller.run()))
                for _ in range(settings.concurrency):
                    tasks.create_task(lasting(run.turns.work(worker)))

    def _pushes(self, run: Run, sources: Sources, renderer: Renderer, pace: Pace) -> Pushes:
        client, metrics = self._context.client, self._push_metrics
        pushing = Pushing(client, sources, renderer, metrics)
        least = self._context.config.controller.external.min_refresh_seconds
        worker = PushWorker(client, sources, pushing, pace, metrics, least_refresh=least)
        return Pushes(client, worker, self._shard.has, metrics=metrics, not_ready=run.not_ready)

    def _generate(self, run: Run, dynamics: Dynamics, ends: contextlib.AsyncExitStack) -> Generators:
        """Start the caches of generators, which a cluster need not know."""
        ends.push_async_callback(dynamics.close)
        for cache in caches_of(self._context.client, run.generator_changed):
            run.generators.append(cache)
            cache.start()
            ends.push_async_callback(cache.close)
        return Generators(dynamics, run.known.claims)

    async def _watch(self, run: Run, ends: contextlib.AsyncExitStack) -> None:
        """Start the caches, and wait until all have been read: stores first, or all would be without one."""
        client, known = self._context.client, run.known
        stores: WatchCache[Json] = WatchCache(client, held.STORES, held.store, on_change=run.store_changes.changed)
        clusters: WatchCache[Json] = WatchCache(
            client, held.CLUSTER_STORES, held.store, on_change=run.store_changes.changed
        )
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
            await until_synced(caches)
