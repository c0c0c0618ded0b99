"""PushSecrets: Secrets of the cluster into stores, as long as the loop of ExternalSecrets runs, with its stores and its audit log.

One that names stores of govgate's and of others' is nobody's here: another controller would push to its own, and each would
write over what the other notes of what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

import msgspec

from gateway.controllers.contests import Contests
from gateway.controllers.external.claims import alone_in
from gateway.controllers.external.failing import Failing
from gateway.controllers.external.held import NAMESPACES, stranger_of, was_ours
from gateway.controllers.external.push_status import PUSHES, PushTeller
from gateway.controllers.external.pushing import Pushing
from gateway.controllers.external.reading import Sources
from gateway.controllers.metrics import PushMetrics
from gateway.controllers.not_ready import NotReady
from gateway.controllers.queue import WorkQueue
from gateway.controllers.states import States
from gateway.core.errors import AuditError, ClusterError
from gateway.kube import Key, KubeClient, WatchCache, is_outdated
from gateway.kube.discovery import Pace
from gateway.tasks import lasting
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.faults import refusal
from gateway_secrets.external.push import name_of, stores_of
from gateway_secrets.external.push_spec import API_VERSION, KIND, PushData, PushSpec, spec_of
from gateway_secrets.external.push_status import FINALIZER, Synced, outdated, store_name, synced_of
from gateway_secrets.external.spec import StoreRef, store_ref
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS, faults
from gateway_secrets.stores.errors import MisconfiguredError, StoreError

Json = dict[str, Any]
MIXED = "only some of its stores are govgate's: nothing is pushed until all are, or none"
_WORKERS = 4
_log = logging.getLogger(__name__)


class HeldPush(msgspec.Struct, frozen=True):
    """A PushSecret. ``trigger``: of what it does is decided. ``stranger``: who else wrote its status after govgate did.
    ``ours``: nobody did, and govgate did.
    """

    text: bytes
    trigger: bytes
    stranger: str = ""
    stranger_at: str = ""
    ours: bool = False

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        found: Json = msgspec.json.decode(self.text)
        return found


def held_push(document: Json) -> HeldPush:
    """Of a PushSecret."""
    metadata = document["metadata"]
    managed = metadata.pop("managedFields", None)
    parts = [metadata.get(name) for name in ("generation", "annotations", "deletionTimestamp")]
    whole = document | {"apiVersion": API_VERSION, "kind": KIND}
    return HeldPush(
        msgspec.json.encode(whole), msgspec.json.encode(parts), *stranger_of(managed), ours=was_ours(managed)
    )


class Pushes:
    """Pushes what is to be pushed. ``mine``: whether a namespace is this process's to work on.

    ``least_refresh``: seconds between two pushes of one that time alone brings.
    """

    least_refresh = LEAST_REFRESH_SECONDS

    def __init__(
        self,
        client: KubeClient,
        sources: Sources,
        pushing: Pushing,
        pace: Pace,
        mine: Callable[[str], bool],
        *,
        metrics: PushMetrics,
        not_ready: NotReady,
    ) -> None:
        self._client = client
        self._sources = sources
        self._pushing = pushing
        self._pace = pace
        self._mine = mine
        self._metrics = metrics
        self._not_ready = not_ready
        self._teller = PushTeller(client, pace)
        self._failing = Failing()
        self._states = States(metrics.objects, ("synced", "failed", "mixed"))
        self._contests = Contests("PushSecrets that govgate works on are worked on by somebody else, too")
        self._queue = WorkQueue(_WORKERS)
        self.cache: WatchCache[HeldPush] = WatchCache(client, PUSHES, held_push, on_change=self._changed)

    @property
    def problem(self) -> str:
        """Why PushSecrets cannot be read; empty if they can, or the cluster does not know any."""
        return f"{PUSHES}: {self.cache.problem}" if self.cache.problem and not self.cache.absent else ""

    @property
    def contest(self) -> str:
        """Who else works on the same ones; empty if nobody does."""
        mixed = sorted("/".join(key) for key in self._states.which("mixed"))
        named = f"only some stores of these PushSecrets are govgate's: {', '.join(mixed[:5])}" if mixed else ""
        return "; ".join(filter(None, (self._contests.problem(time.monotonic()), named)))

    def stores_changed(self) -> None:
        """A store did, by which others may be pushed to."""
        for key in [key for key, _ in self.cache.items()]:
            self._add(key)

    async def run(self) -> None:
        """Until cancelled."""
        self.cache.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_WORKERS):
                    tasks.create_task(lasting(self._work()))
        finally:
            self._queue.close()
            await self.cache.close()

    def _changed(self, key: Key, old: HeldPush | None, new: HeldPush | None) -> None:
        if new is None:
            self._queue.forget(key)
            self._failing.passed(key)
            self._is(key, None)
        elif old is None or old.trigger != new.trigger:
            self._add(key)
        elif new.stranger and (new.stranger, new.stranger_at) != (old.stranger, old.stranger_at):
            if self._states.of(key) in ("synced", "failed"):
                contest = self._contests.note(key, new.stranger, time.monotonic())
                fields = {"object": "/".join(key), "writer": new.stranger, "times": contest.times}
                _log.warning("somebody else works on a PushSecret of govgate's", extra={"fields": fields})
            self._add(key)

    def _add(self, key: Key) -> None:
        if self._mine(key.namespace):
            self._queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            wait = self._contests.wait(key, time.monotonic())
            if wait:
                self._queue.retry(key, wait)
                continue
            try:
                done, again = await self._one(key)
            except Exception as error:  # noqa: BLE001 - whatever is odd about one, the others go on; no text: it may hold a value
                problem = str(error) if isinstance(error, ClusterError) else f"internal error: {type(error).__name__}"
                if not is_outdated(error):
                    _log.warning(
                        "PushSecret not pushed", extra={"fields": {"object": "/".join(key), "problem": problem}}
                    )
                done, again = False, None
            except BaseException:
                self._queue.release(key)
                raise
            if done:
                self._queue.done(key, again)
            else:
                self._queue.retry(key)

    async def _one(self, key: Key) -> tuple[bool, float | None]:
        """Push one, and have it say so if the API server does not do its part."""
        try:
            done = await self._sync(key)
        except ClusterError as error:
            held = self.cache.get(*key)
            if held is None or not self._failing.lasts(key, error):
                raise
            document = held.document
            self._is(key, "failed")
            await self._teller.say(key, document, str(error), synced_of(document.get("status") or {}))
            raise
        self._failing.passed(key)
        return done

    async def _sync(self, key: Key) -> tuple[bool, float | None]:
        """Push one; whether that is done, and when it is looked at again."""
        held = self.cache.get(*key)
        if held is None:
            return True, None
        document = held.document
        metadata, status = document["metadata"], document.get("status") or {}
        before = synced_of(status)
        named = [*_named_by(document), *(store_ref(*reversed(one.split("/", 1))) for one in before if "/" in one)]
        problem = refusal(faults(document))
        spec = spec_of(document) if not problem else None
        known = self._sources.known
        labelled = known.labelled(key.namespace)
        stores = {ref: labelled.get(ref) for ref in stores_of(spec, labelled)} if spec is not None else {}
        whose = known.pushes([*stores] or named, key.namespace, was_ours=held.ours)
        if whose != "ours":
            wait = alone_in(document, time.time()) if whose == "unknown" and (stores or named) else None
            if wait is None or wait > 0:
                await self._not_ours(key, document, mixed=whose == "mixed")
                return True, wait
        if metadata.get("deletionTimestamp"):
            return await self._let_go(key, document, before)
        if spec is None:
            await self._say(key, document, problem, before)
            return True, None
        if spec.deletion_policy == "Delete" and FINALIZER not in (metadata.get("finalizers") or []):
            document = await self._finalizers(key, document, [*(metadata.get("finalizers") or []), FINALIZER])
        problem, synced = await self._push(key, document, spec, stores, before)
        await self._say(key, document, problem, synced)
        interval = spec.interval_seconds()
        return not problem, max(interval, self.least_refresh) if interval is not None else None

    async def _not_ours(self, key: Key, document: Json, *, mixed: bool) -> None:
        """Leave one alone; of one that is govgate's in part somebody has to decide."""
        if mixed and self._states.of(key) != "mixed":
            await self._teller.tell(key, document, "Warning", "Mixed", MIXED)
        self._is(key, "mixed" if mixed else None)

    async def _push(
        self,
        key: Key,
        document: Json,
        spec: PushSpec,
        stores: Mapping[StoreRef, dict[str, str] | None],
        before: Synced,
    ) -> tuple[str, Synced]:
        """What went wrong first, and what is stored now. What was to be taken away goes first: it may be a part of what comes
        into the same store.
        """
        synced = {store: {name_of(one): one for one in entries.values()} for store, entries in before.items()}
        try:
            wanted = await self._pushing.wanted(key.namespace, spec, stores)
        except ExternalError as error:
            return str(error), synced
        entries = {ref: [one.entry for one in pushes] for ref, pushes in wanted.items()}
        failed = await self._take_away(key, document, spec, outdated(before, entries), synced, asked=stores)
        problems = [f"{ref}: {problem}" for ref, found in failed.items() for problem in found]
        for ref, pushes in wanted.items():
            for push in pushes if ref not in failed else ():
                try:
                    stored = await self._pushing.store(key, ref, push, spec.update_policy)
                except (StoreError, ExternalError, AuditError) as error:
                    problems.append(f"{ref}: {error}")
                    self._metrics.changes.labels("failed").inc()
                    continue
                if stored or name_of(push.entry) in synced.get(store_name(ref), {}):
                    synced.setdefault(store_name(ref), {})[name_of(push.entry)] = push.entry
        return "; ".join(problems[:3]), {store: stored for store, stored in synced.items() if stored}

    async def _take_away(
        self,
        key: Key,
        document: Json,
        spec: PushSpec,
        entries: Iterable[tuple[StoreRef, PushData]],
        synced: Synced,
        *,
        asked: Container[StoreRef],
    ) -> dict[StoreRef, list[str]]:
        """Take away what is outdated, also from ``synced``; what went wrong, by store. ``asked``: the stores that are named.

        One that is gone may come again while it is named, and what it holds is taken away then; else that is told and forgotten.
        """
        failed: dict[StoreRef, list[str]] = {}
        left: list[str] = []
        for ref, entry in entries:
            gone = ref not in asked and self._sources.known.controller(ref, key.namespace) is None
            try:
                if spec.deletion_policy == "Delete" and gone:
                    left.append(f"{ref}, which is gone: {name_of(entry)}")
                elif spec.deletion_policy == "Delete":
                    await self._pushing.remove(key, ref, entry)
                synced[store_name(ref)].pop(name_of(entry), None)
            except (StoreError, ExternalError, AuditError) as error:
                failed.setdefault(ref, []).append(str(error))
                self._metrics.changes.labels("failed").inc()
        if left:
            await self._tell_left(key, document, "not taken out of", left)
        return failed

    async def _let_go(self, key: Key, document: Json, before: Synced) -> tuple[bool, float | None]:
        """Take away what was stored, if it says so, and then the finalizer."""
        finalizers = document["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            return True, None
        spec = document.get("spec")
        deletes = isinstance(spec, dict) and spec.get("deletionPolicy") == "Delete"
        left: list[str] = []
        closed: dict[StoreRef, str] = {}
        for ref, entry in outdated(before, {}) if deletes else ():
            if self._sources.known.controller(ref, key.namespace) is None:
                closed[ref] = "which is gone"
            if ref in closed:
                left.append(f"{ref}, {closed[ref]}: {name_of(entry)}")
                continue
            try:
                await self._pushing.remove(key, ref, entry)
            except (StoreError, ExternalError, AuditError) as error:
                if isinstance(error, MisconfiguredError) and await self._ends(key.namespace):
                    # What the store logs in with went with the namespace, and does not come back.
                    closed[ref] = str(error)
                    left.append(f"{ref}, {closed[ref]}: {name_of(entry)}")
                    continue
                self._metrics.changes.labels("failed").inc()
                await self._say(key, document, f"{ref}: {error}", before)
                return False, None
        if left:
            await self._tell_left(key, document, "deleted, and not taken out of", left)
        await self._finalizers(key, document, [one for one in finalizers if one != FINALIZER])
        return True, None

    async def _tell_left(self, key: Key, document: Json, what: str, left: list[str]) -> None:
        """Tell of what stays where it was stored."""
        told = f"{what} {'; '.join(left[:5])}{' …' if len(left) > 5 else ''}"  # noqa: PLR2004
        _log.warning("PushSecret let go", extra={"fields": {"object": "/".join(key), "problem": told}})
        await self._teller.tell(key, document, "Warning", "NotRemoved", told)

    async def _ends(self, namespace: str) -> bool:
        """Whether a namespace is being deleted, or is gone."""
        found = await self._client.find(NAMESPACES.path("v1", "", namespace))
        return found is None or bool(found["metadata"].get("deletionTimestamp"))

    async def _finalizers(self, key: Key, document: Json, finalizers: list[str]) -> Json:
        await self._pace()
        metadata = document["metadata"] | {"finalizers": finalizers}
        return await self._client.replace(PUSHES.path("v1alpha1", *key), document | {"metadata": metadata})

    async def _say(self, key: Key, document: Json, problem: str, synced: Synced) -> None:
        self._is(key, "failed" if problem else "synced")
        await self._teller.say(key, document, problem, synced)

    def _is(self, key: Key, state: str | None) -> None:
        self._states.note(key, state)
        self._not_ready.note(KIND, key, bad=state == "failed")


def _named_by(document: Json) -> list[StoreRef]:
    """The stores that a PushSecret names, as far as it can be read."""
    spec = document.get("spec")
    refs = spec.get("secretStoreRefs") if isinstance(spec, dict) else None
    found = [one for one in refs if isinstance(one, dict)] if isinstance(refs, list) else []
    return [store_ref(one["name"], one.get("kind")) for one in found if isinstance(one.get("name"), str)]
