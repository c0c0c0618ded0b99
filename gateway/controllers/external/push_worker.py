"""One PushSecret looked at: what it says no more is taken out of stores, and what it says is stored there.

What is about to be stored is noted in the status first. So a process may end at any moment, and the PushSecret may change or be
deleted at any: what is stored is known, and can be taken away. What is noted and was never stored is not there to be taken away.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from gateway.controllers.external.claims import alone_in
from gateway.controllers.external.failing import Failing
from gateway.controllers.external.push_held import HeldPush
from gateway.controllers.external.push_removals import Removals
from gateway.controllers.external.push_status import PUSHES, PushTeller
from gateway.controllers.external.pushing import Pushing
from gateway.controllers.external.reading import Sources
from gateway.controllers.metrics import PushMetrics
from gateway.core.errors import AuditError, ClusterError
from gateway.kube import Key, KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.faults import refusal
from gateway_secrets.external.push import Push, name_of, stores_of
from gateway_secrets.external.push_spec import PushSpec, spec_of
from gateway_secrets.external.push_status import FINALIZER, Synced, due_in, outdated, store_name, synced_of, version
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.external.validate import faults
from gateway_secrets.stores.errors import (
    ForbiddenError,
    ForeignError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnusableError,
)

Json = dict[str, Any]
State = Literal["synced", "failed", "mixed"]
Stores = Mapping[StoreRef, dict[str, str] | None]
MIXED = "only some of its stores are govgate's: nothing is pushed until all are, or none"
NOBODY = "nothing is stored: no Secret has these labels, and something to push"
_log = logging.getLogger(__name__)
_UNANSWERED = (UnavailableError, ThrottledError, ForbiddenError)


class Look(NamedTuple):
    """What came of one: whether it is done, when it is looked at again, and how it is, None if that is nobody's concern here."""

    done: bool
    again_in: float | None
    state: State | None


class PushWorker:
    """See the module. ``least_refresh``: seconds between two pushes of one that time alone brings."""

    def __init__(
        self,
        client: KubeClient,
        sources: Sources,
        pushing: Pushing,
        pace: Pace,
        metrics: PushMetrics,
        *,
        least_refresh: float,
    ) -> None:
        self._client = client
        self._sources = sources
        self._pushing = pushing
        self._pace = pace
        self._metrics = metrics
        self._least_refresh = least_refresh
        self._teller = PushTeller(client, pace)
        self._removals = Removals(client, pushing, self._teller, metrics)
        self._failing = Failing()

    def forget(self, key: Key) -> None:
        """It is no more."""
        self._failing.passed(key)
        self._pushing.settled(key)

    async def look(self, key: Key, held: HeldPush, was: str | None) -> Look:
        """Push one, and have it say so if the API server does not do its part. ``was``: how it was.

        Raises:
            ClusterError: the API server could not be asked, or what was looked at is outdated.
        """
        try:
            found = await self._look(key, held, was)
        except ClusterError as error:
            if not self._failing.lasts(key, error):
                raise
            document = held.document
            fields = {"object": "/".join(key), "problem": str(error)}
            _log.warning("PushSecret not pushed", extra={"fields": fields})
            with contextlib.suppress(ClusterError):  # the log has it
                await self._teller.say(key, document, str(error), synced_of(document.get("status") or {}))
            return Look(done=False, again_in=None, state="failed")
        self._failing.passed(key)
        return found

    async def _look(self, key: Key, held: HeldPush, was: str | None) -> Look:
        document = held.document
        metadata = document["metadata"]
        before = synced_of(document.get("status") or {})
        named = [*held.named, *held.noted]
        problem = refusal(faults(document))
        spec = spec_of(document) if not problem else None
        known = self._sources.known
        labelled = known.labelled(key.namespace)
        stores = {ref: labelled.get(ref) for ref in stores_of(spec, labelled)} if spec is not None else {}
        whose = known.pushes([*stores] or named, key.namespace, was_ours=held.ours)
        if whose != "ours":
            wait = alone_in(document, time.time()) if whose == "unknown" and (stores or named) else None
            if wait is None or wait > 0:
                if whose == "mixed" and was != "mixed":
                    await self._teller.tell(key, document, "Warning", "Mixed", MIXED)
                return Look(done=True, again_in=wait, state="mixed" if whose == "mixed" else None)
        if metadata.get("deletionTimestamp"):
            return await self._let_go(key, document, before)
        if spec is None:
            await self._teller.say(key, document, problem, before)
            return Look(done=True, again_in=None, state="failed")
        if spec.deletion_policy == "Delete" and FINALIZER not in (metadata.get("finalizers") or []):
            document = await self._finalizers(key, document, [*(metadata.get("finalizers") or []), FINALIZER])
        interval = spec.interval_seconds()
        again = max(interval, self._least_refresh) if interval is not None else None
        wait = due_in(document, again, time.time()) if spec.generator is not None else 0.0
        if wait is None or wait > 0:
            return Look(done=True, again_in=wait, state="synced")
        problem, synced, document = await self._push(key, document, spec, stores, before)
        remark = NOBODY if spec.source.selector is not None and not synced else ""
        await self._teller.say(key, document, problem, synced, remark=remark)
        if not problem:
            self._pushing.settled(key)
        return Look(done=not problem, again_in=again, state="failed" if problem else "synced")

    async def _push(
        self, key: Key, document: Json, spec: PushSpec, stores: Stores, before: Synced
    ) -> tuple[str, Synced, Json]:
        """What went wrong first, what is stored now, and the PushSecret with what was noted of that.

        What was to be taken away goes first: it may be a part of what comes into the same store.
        """
        synced = {store: {name_of(one): one for one in entries.values()} for store, entries in before.items()}
        try:
            wanted = await self._pushing.wanted(key, version(document), spec, stores)
        except ExternalError as error:
            return str(error), synced, document
        entries = {ref: [one.entry for one in pushes] for ref, pushes in wanted.items()}
        failed = await self._removals.take_away(key, document, spec, outdated(before, entries), synced, asked=stores)
        problems = [f"{ref}: {problem}" for ref, found in failed.items() for problem in found]
        for ref, pushes in wanted.items():
            if ref in failed:
                continue
            noted = synced.setdefault(store_name(ref), {})
            known = frozenset(noted)
            new = await self._new(key, ref, [one for one in pushes if name_of(one.entry) not in known], spec, problems)
            if new:
                noted |= {name_of(one.entry): one.entry for one in new}
                document = await self._teller.note(key, document, synced)
            for push in [one for one in pushes if name_of(one.entry) in noted]:
                stored = await self._store(key, ref, push, spec, problems)
                if not stored and name_of(push.entry) not in known:
                    del noted[name_of(push.entry)]
        return "; ".join(problems[:3]), {store: stored for store, stored in synced.items() if stored}, document

    async def _new(
        self, key: Key, ref: StoreRef, pushes: list[Push], spec: PushSpec, problems: list[str]
    ) -> list[Push]:
        """Those that are to be stored, of which nothing is noted yet. That a store answers is seen before one is noted: what is
        noted is asked for when the PushSecret is deleted, which a store that never answered must not hold up.
        """
        found = []
        for push in pushes:
            try:
                there = await self._pushing.holds(key, ref, push)
            except (StoreError, ExternalError, AuditError) as error:
                if isinstance(error, StoreError) and not isinstance(error, _UNANSWERED):
                    found.append(push)  # the store answers; what is wrong, it says when it is to be written
                    continue
                problems.append(f"{ref}: {error}")
                self._metrics.changes.labels("failed").inc()
                continue
            if there and spec.update_policy == "IfNotExists":
                self._metrics.changes.labels("kept").inc()
            else:
                found.append(push)
        return found

    async def _store(self, key: Key, ref: StoreRef, push: Push, spec: PushSpec, problems: list[str]) -> bool:
        """Store one; whether it is there now, or may be."""
        try:
            return await self._pushing.store(key, ref, push, spec.update_policy)
        except (StoreError, ExternalError, AuditError) as error:
            problems.append(f"{ref}: {error}")
            self._metrics.changes.labels("failed").inc()
            if isinstance(error, ForeignError | UnusableError | ExternalError | AuditError):
                return False
            # What has metadata may be there without them.
            return isinstance(error, UnavailableError | ThrottledError) or push.entry.metadata is not None

    async def _let_go(self, key: Key, document: Json, before: Synced) -> Look:
        """Take away what was stored, if it says so, and then the finalizer."""
        finalizers = document["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            return Look(done=True, again_in=None, state=None)
        spec = document.get("spec")
        if isinstance(spec, dict) and spec.get("deletionPolicy") == "Delete":
            problem = await self._removals.let_go(key, document, before)
            if problem:
                await self._teller.say(key, document, problem, before)
                return Look(done=False, again_in=None, state="failed")
        await self._finalizers(key, document, [one for one in finalizers if one != FINALIZER])
        return Look(done=True, again_in=None, state=None)

    async def _finalizers(self, key: Key, document: Json, finalizers: list[str]) -> Json:
        await self._pace()
        metadata = document["metadata"] | {"finalizers": finalizers}
        return await self._client.replace(PUSHES.path("v1alpha1", *key), document | {"metadata": metadata})
