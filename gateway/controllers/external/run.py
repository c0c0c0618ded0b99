"""What the loop of ExternalSecrets knows while it runs once, and what it does when the cluster changes: who has a turn for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from gateway.controllers.external.held import Held, HeldSecret
from gateway.controllers.external.known import Known
from gateway.controllers.external.names import Change
from gateway.controllers.external.rollouts import Rollouts
from gateway.controllers.external.shards import Shard
from gateway.controllers.external.shared import Shared
from gateway.controllers.external.store_changes import StoreChanges
from gateway.controllers.external.turns import Turns
from gateway.controllers.external.uses import Uses
from gateway.controllers.frame import Checks
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.not_ready import NotReady
from gateway.controllers.queue import WorkQueue
from gateway.kube import Key, WatchCache

_UPKEEP_SECONDS = 5.0
_TOLD_AT_A_TIME = 100
"""Objects, before others have their turn."""


class Run:
    """What is known while the loop runs once."""

    shared: Shared

    def __init__(
        self, known: Known, queue: WorkQueue, metrics: ExternalMetrics, shard: Shard, key_problem: str
    ) -> None:
        self.known = known
        self.queue = queue
        self.caches: list[WatchCache[Any]] = []
        self.generators: list[WatchCache[Any]] = []
        self._metrics = metrics
        self._key_problem = key_problem
        self.not_ready = NotReady(metrics.not_ready)
        self.uses = Uses()
        self.turns = Turns(queue, self.uses, metrics, shard, self.not_ready)
        self.store_changes = StoreChanges(known, self.turns, metrics, shard, self.not_ready)
        self.rollouts: Rollouts | None = None
        self.gone: Callable[[Held], None] = lambda _: None

    def checks(self) -> Checks:
        """What somebody should look at."""
        pushes = self.store_changes.pushes
        problems = [f"{cache.resource}: {cache.problem}" for cache in self.caches if cache.problem]
        if pushes is not None and pushes.problem:
            problems.append(pushes.problem)
        problems += [f"{one.resource}: {one.problem}" for one in self.generators if one.problem and not one.absent]
        absent = [f"the cluster does not know {cache.resource}" for cache in self.caches if cache.absent]
        unreadable = sum(cache.unreadable for cache in self.caches)
        odd = [f"{unreadable} objects cannot be read"] if unreadable else []
        return {
            "objects": "; ".join(problems + absent + odd) or True,
            "contest": self.turns.contest or True,
            "pushes": (pushes is not None and pushes.contest) or True,
            "key": self._key_problem or True,
        }

    def external_changed(self, key: Key, old: Held | None, new: Held | None) -> None:
        """An ExternalSecret came, changed, or went."""
        self.known.external_changed(key, old, new)
        if new is None:
            self.turns.forget(key)
            if old is not None:
                self.gone(old)
            return
        if old is not None and new.says_as(old):
            # Only its status changed, or its finalizer was set, which is govgate's own doing, or that of somebody who works on it as well.
            if new.stranger and (new.stranger, new.stranger_at) != (old.stranger, old.stranger_at):
                held_now = self.known.externals(key)
                if held_now is not None and self.known.claimed(key, held_now):
                    self.turns.contested(key, new.stranger)
            elif old.ready and not new.ready and self.turns.states.of(key) == "synced":
                self.turns.add(key)
            return
        self.turns.changed(key, urgent=old is not None or not new.ready)

    def secret_changed(self, key: Key, old: HeldSecret | None, new: HeldSecret | None) -> None:
        """A Secret did: whether it is as it should be is for a look to say."""
        self.known.secret_changed(key, old, new)
        if self.rollouts is not None and new is not None:
            self.rollouts.secret_changed(key)
        for external in self.known.of_target(key):
            self.turns.add(external)

    def generator_changed(self, kind: str, key: Key, controller: str | None) -> None:
        """A generator did: those that refer to it may be others' now, or may be made now."""
        self.known.generator_changed(kind, key, controller)
        for external in self.known.of_generator(kind, key):
            self.turns.add(external)

    def namespace_changed(self, key: Key, old: dict[str, str] | None, new: dict[str, str] | None) -> None:
        """Labels did, by which a store may be used or not: those that are refused are looked at again."""
        if old is not None and new is not None and old != new:
            for external in [one for one in self.turns.states.which("refused") if one.namespace == key.name]:
                self.turns.add(external)

    def generators_recovered(self, namespace: str) -> None:
        """A server answers again that a generator of a namespace asks: who waits for it need not wait for its turn."""
        for key in [one for one in self.turns.states.which("waiting") if one.namespace == namespace]:
            held_now = self.known.externals(key)
            if held_now is not None and held_now.generators:
                self.turns.add(key, urgent=True)

    def logged_in(self, provider: str, outcome: str) -> None:
        """Somebody logged in to a store, or to what generates secrets, or could not."""
        self._metrics.logins.labels(provider, outcome).inc()

    async def told(self, changes: list[Change]) -> None:
        """Somebody says that secrets changed: who reads them is looked at at once. Others have their turns meanwhile."""
        self._metrics.notices.inc(len(changes))
        now, done = time.time(), 0
        for change in dict.fromkeys(changes):
            for path in self.uses.changed(change):
                self.uses.outdate(path, now)
                users = self.uses.users(path)
                self.turns.outdated(users)
                done += len(users)
            done += 1
            if done >= _TOLD_AT_A_TIME:
                done = 0
                await asyncio.sleep(0)

    async def upkeep(self) -> None:
        """Tell of numbers that change by themselves."""
        while True:
            self._metrics.waiting.set(len(self.queue))
            self._metrics.stores.set(len(self.store_changes.stores))
            self._metrics.kept.set(self.shared.bytes)
            await asyncio.sleep(_UPKEEP_SECONDS)
