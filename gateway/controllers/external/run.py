"""What is known while the loop of ExternalSecrets runs once: what changed, what waits, how each object is, and who is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from gateway.controllers.contests import Contests
from gateway.controllers.external import held
from gateway.controllers.external.held import Held, HeldSecret, Json
from gateway.controllers.external.known import Known, kind_of
from gateway.controllers.external.looks import Outcome, Result
from gateway.controllers.external.names import Change
from gateway.controllers.external.pushes import Pushes
from gateway.controllers.external.rollouts import Rollouts
from gateway.controllers.external.shards import Shard
from gateway.controllers.external.shared import Path, Shared
from gateway.controllers.external.store_checks import StoreChecks
from gateway.controllers.external.store_status import FAILED, INVALID, UNKNOWN, VALID, StoreStatus
from gateway.controllers.external.stores import Stores
from gateway.controllers.external.uses import Uses
from gateway.controllers.external.windows import Since
from gateway.controllers.external.worker import Worker
from gateway.controllers.frame import Checks
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.not_ready import NotReady
from gateway.controllers.queue import WorkQueue
from gateway.controllers.states import States
from gateway.core.errors import ClusterError
from gateway.kube import Key, WatchCache, is_outdated
from gateway.tasks import is_cancelled
from gateway_secrets.external.faults import refusal
from gateway_secrets.external.spec import store_ref
from gateway_secrets.external.store import CLUSTER_STORE, Store
from gateway_secrets.external.validate import faults
from gateway_secrets.stores.errors import StoreError, UnavailableError

_UPKEEP_SECONDS = 5.0
_TOLD_AT_A_TIME = 100
"""Objects, before others have their turn."""
_TOLD_AT = 2
"""Times in an hour: once may be somebody who tried something out."""
_STATES = {Outcome.REFUSED: "refused", Outcome.WAITING: "waiting", Outcome.FAILED: "failing"}
_STORE_STATES = {VALID: "valid", UNKNOWN: "unknown", INVALID: "failed", FAILED: "failed"}
_log = logging.getLogger(__name__)


class Run:
    """What is known while the loop runs once."""

    stores: Stores
    shared: Shared
    store_status: StoreStatus
    store_checks: StoreChecks

    def __init__(
        self, known: Known, queue: WorkQueue, metrics: ExternalMetrics, shard: Shard, key_problem: str
    ) -> None:
        self.known = known
        self.queue = queue
        self._shard = shard
        self.caches: list[WatchCache[Any]] = []
        self.generators: list[WatchCache[Any]] = []
        self._metrics = metrics
        self._key_problem = key_problem
        self._contests = Contests("ExternalSecrets that govgate works on are worked on by somebody else, too")
        self._states = States(metrics.objects, ("synced", "refused", "waiting", "failing"))
        self._store_states = States(metrics.stores_by_state, ("valid", "unknown", "failed"))
        self.not_ready = NotReady(metrics.not_ready)
        self._problems: dict[Key, str] = {}
        self.uses = Uses()
        self.rollouts: Rollouts | None = None
        self.pushes: Pushes | None = None
        self.polls = False
        self.gone: Callable[[Held], None] = lambda _: None
        self._since: dict[Key, float] = {}
        self._anew: dict[Key, tuple[frozenset[Path], float]] = {}
        """What could not be read of an object, and when."""
        self._told: set[Key] = set()
        self._rivals: dict[Key, str] = {}
        """Who else works on an object that is yet to be told of it."""
        self._began = time.time()

    def checks(self) -> Checks:
        """What somebody should look at."""
        problems = [f"{cache.resource}: {cache.problem}" for cache in self.caches if cache.problem]
        if self.pushes is not None and self.pushes.problem:
            problems.append(self.pushes.problem)
        problems += [f"{one.resource}: {one.problem}" for one in self.generators if one.problem and not one.absent]
        absent = [f"the cluster does not know {cache.resource}" for cache in self.caches if cache.absent]
        unreadable = sum(cache.unreadable for cache in self.caches)
        odd = [f"{unreadable} objects cannot be read"] if unreadable else []
        return {
            "objects": "; ".join(problems + absent + odd) or True,
            "contest": self._contests.problem(time.monotonic()) or True,
            "pushes": (self.pushes is not None and self.pushes.contest) or True,
            "key": self._key_problem or True,
        }

    def external_changed(self, key: Key, old: Held | None, new: Held | None) -> None:
        """An ExternalSecret came, changed, or went."""
        self.known.external_changed(key, old, new)
        if new is None:
            self.queue.forget(key)
            self.uses.forget(key)
            self._since.pop(key, None)
            self._anew.pop(key, None)
            self._told.discard(key)
            self._rivals.pop(key, None)
            self._note(key, None)
            if old is not None:
                self.gone(old)
            return
        if old is not None and new.says_as(old):
            # Only its status changed, or its finalizer was set, which is govgate's own doing, or that of somebody who works on it as well.
            if new.stranger and (new.stranger, new.stranger_at) != (old.stranger, old.stranger_at):
                self._contested(key, new)
            elif old.ready and not new.ready and self._states.of(key) == "synced":
                self._add(key)
            return
        self._since[key] = time.time()
        self._add(key, urgent=old is not None or not new.ready)

    def secret_changed(self, key: Key, old: HeldSecret | None, new: HeldSecret | None) -> None:
        """A Secret did: whether it is as it should be is for a look to say."""
        self.known.secret_changed(key, old, new)
        if self.rollouts is not None and new is not None:
            self.rollouts.secret_changed(key)
        for external in self.known.of_target(key):
            self._add(external)

    def store_changed(self, key: Key, old: Json | None, new: Json | None) -> None:
        """A store did: those that refer to it may be others' now, or may be read now."""
        if old == new:
            return  # its status did
        kind = kind_of(key.namespace)
        self.known.store_changed(kind, key, new)
        if old is not None and new is not None and held.without_labels(old) == held.without_labels(new):
            # They decide which PushSecrets choose it, and nothing else.
            if self.pushes is not None:
                self.pushes.store_labelled(store_ref(key.name, kind), key.namespace, held.labels(old), held.labels(new))
            return
        self.stores.changed(kind, key.namespace, key.name)
        if new is None or not self._tells(key, new):
            self.store_checks.forget(key)
            self._note_store(key, None)
        elif problem := refusal(faults(new, claimed=True)):
            self.store_checks.forget(key)
            self.say_of_store(key, INVALID, problem)
        else:
            self.store_checks.add(key)
        if self.pushes is not None:
            labels = (held.labels(one) if one is not None else None for one in (old, new))
            self.pushes.store_changed(store_ref(key.name, kind), key.namespace, *labels)
        for external in self.known.of_store(kind, key):
            self._add(external)

    def generator_changed(self, kind: str, key: Key, controller: str | None) -> None:
        """A generator did: those that refer to it may be others' now, or may be made now."""
        self.known.generator_changed(kind, key, controller)
        for external in self.known.of_generator(kind, key):
            self._add(external)

    def store_failed(self, store: Store, error: StoreError) -> None:
        """A store does not answer, or cannot be opened."""
        key = _key_of(store)
        if store.per_namespace and not isinstance(error, UnavailableError):
            return  # what one namespace logs in with is no matter of the others'
        if self._tells(key, {"spec": {"controller": store.spec.controller}}):
            self.say_of_store(key, FAILED, str(error))

    def store_asked(self, store: Store, outcome: str, seconds: float) -> None:
        """A store was asked something. A refusal may be one of its credentials."""
        self._metrics.requests.labels(store.provider, outcome).inc()
        self._metrics.request_seconds.labels(store.provider).observe(seconds)
        if outcome in ("forbidden", "misconfigured"):
            key = _key_of(store)
            if self._tells(key, {"spec": {"controller": store.spec.controller}}):
                self.store_checks.doubt(key)

    def logged_in(self, provider: str, outcome: str) -> None:
        """Somebody logged in to a store, or to what generates secrets, or could not."""
        self._metrics.logins.labels(provider, outcome).inc()

    def say_of_store(self, key: Key, reason: str, message: str) -> None:
        """A store is so."""
        self._note_store(key, _STORE_STATES[reason])
        self.store_status.say(key, reason, message)

    def _note_store(self, key: Key, state: str | None) -> None:
        self._store_states.note(key, state)
        self.not_ready.note(kind_of(key.namespace), key, bad=state == "failed")

    def _tells(self, key: Key, document: Json) -> bool:
        """Whether a store's status is govgate's to write."""
        spec = document.get("spec")
        controller = spec.get("controller") if isinstance(spec, dict) else None
        return self._shard.has(key.namespace) and self.known.claims.store(str(controller or ""), key.namespace)

    def namespace_changed(self, key: Key, old: dict[str, str] | None, new: dict[str, str] | None) -> None:
        """Labels did, by which a store may be used or not: those that are refused are looked at again."""
        if old is not None and new is not None and old != new:
            for external in [one for one in self._states.which("refused") if one.namespace == key.name]:
                self._add(external)

    def recovered(self, store: Store) -> None:
        """A store answers again: who waits for it need not wait for its turn."""
        key = _key_of(store)
        if self._tells(key, {"spec": {"controller": store.spec.controller}}):
            self.store_checks.add(key)
        for external in self.known.of_store(store.ref.kind, key):
            if self._states.of(external) in ("waiting", "failing"):
                self._add(external, urgent=True)

    def generators_recovered(self, namespace: str) -> None:
        """A server answers again that a generator of a namespace asks: who waits for it need not wait for its turn."""
        for key in [one for one in self._states.which("waiting") if one.namespace == namespace]:
            held_now = self.known.externals(key)
            if held_now is not None and held_now.generators:
                self._add(key, urgent=True)

    async def told(self, changes: list[Change]) -> None:
        """Somebody says that secrets changed: who reads them is looked at at once. Others have their turns meanwhile."""
        self._metrics.notices.inc(len(changes))
        now, done = time.time(), 0
        for change in dict.fromkeys(changes):
            for path in self.uses.changed(change):
                self.uses.outdate(path, now)
                users = self.uses.users(path)
                self.outdated(users)
                done += len(users)
            done += 1
            if done >= _TOLD_AT_A_TIME:
                done = 0
                await asyncio.sleep(0)

    def outdated(self, keys: Iterable[Key]) -> None:
        """What these read is another than it was: they are looked at at once."""
        for key in keys:
            self._told.add(key)
            self._add(key, urgent=True)

    def _add(self, key: Key, *, urgent: bool = False) -> None:
        """Have one looked at, if it is this process's to look at."""
        if self._shard.has(key.namespace):
            self.queue.add(key, urgent=urgent)

    async def work(self, worker: Worker) -> None:
        """Look at one object after the other."""
        while True:
            key = await self.queue.get()
            try:
                await self._one(worker, key)
            except BaseException:
                # Nobody works on it any more, whoever ended this: it must not be held as if somebody did.
                self.queue.release(key)
                raise

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
            self.queue.done(key, wait)  # no failure: however often it is changed meanwhile, it is looked at after that
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
        return lambda path: max(least, self.uses.outdated_at(path), at if path in failed else least)

    def _done(self, key: Key, result: Result, began: float, *, told: bool) -> None:
        self._metrics.looks.labels(result.outcome).inc()
        gone = result.outcome in (Outcome.GONE, Outcome.UNCLAIMED)
        if gone:
            self.uses.forget(key)
        else:
            self.uses.note(key, result.reads)
            if result.partial and not self.uses.whole(key) and (self.polls or result.reads.interval > 0):
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
            self.queue.retry(key, most=result.again_in)
        else:
            self._anew.pop(key, None)
            self.queue.done(key, result.again_in)

    def _failed(self, key: Key, problem: str, *, told: bool, quiet: bool = False) -> None:
        """It comes again. ``told``: and is read then. ``quiet``: what was looked at was not the newest: nothing to tell of."""
        if told:
            self._told.add(key)
        self.queue.retry(key)
        self._metrics.looks.labels("failed").inc()
        if not quiet:
            self._note(key, "failing", problem)

    def _contested(self, key: Key, new: Held) -> None:
        held_now = self.known.externals(key)
        if held_now is None or not self.known.claimed(key, held_now):
            return
        contest = self._contests.note(key, new.stranger, time.monotonic())
        self._metrics.contested.inc()
        if contest.times == _TOLD_AT:
            self._rivals[key] = contest.writer
        fields = {"object": "/".join(key), "writer": new.stranger, "times": contest.times}
        _log.warning("somebody else works on an ExternalSecret of govgate's", extra={"fields": fields})
        self._add(key)

    def _note(self, key: Key, state: str | None, problem: str = "") -> None:
        """Take note of how an object is; None: it is no more."""
        self._states.note(key, state)
        self.not_ready.note("ExternalSecret", key, bad=state not in (None, "synced"))
        if problem and problem != self._problems.get(key):
            _log.warning("ExternalSecret not in sync", extra={"fields": {"object": "/".join(key), "problem": problem}})
        self._problems.pop(key, None)
        if problem and state is not None:
            self._problems[key] = problem


def _key_of(store: Store) -> Key:
    return Key("" if store.ref.kind == CLUSTER_STORE else store.namespace, store.ref.name)
