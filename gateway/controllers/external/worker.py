"""One ExternalSecret brought in sync: looked at, read if it has to be, written if it is not as it shall be."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.controllers.external.bringing import Bringer, Tools
from gateway.controllers.external.claims import alone_in
from gateway.controllers.external.failing import Failing
from gateway.controllers.external.held import Held, Json, refs_of
from gateway.controllers.external.leaving import Leaving, leaves, read_loosely
from gateway.controllers.external.looks import Outcome, Result, left_alone, noted, searches
from gateway.controllers.external.reading import Reading, paths_of
from gateway.controllers.external.shared import Path
from gateway.controllers.external.telling import Teller
from gateway.controllers.external.tending import Tended
from gateway.controllers.external.uses import Reads
from gateway.controllers.external.windows import Since, due, earliest
from gateway.controllers.external.writing import SecretWriter
from gateway.core.errors import AuditError, ClusterError
from gateway.kube import Key
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.faults import refusal, remarks
from gateway_secrets.external.spec import ExternalSecret, external_of
from gateway_secrets.external.status import read_at, read_needed, ready_of
from gateway_secrets.external.target import NOT_THERE, Action, refused
from gateway_secrets.external.validate import faults
from gateway_secrets.stores.errors import StoreError


class Worker:
    """Brings objects in sync, several at a time."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._teller = Teller(tools.client, tools.pace, tools.now)
        self._known = tools.sources.known
        self._writer = SecretWriter(tools.client, self._known, tools.pace)
        self._bringer = Bringer(tools, self._writer)
        self._failing = Failing()
        self._dynamics = tools.sources.generators.dynamics
        self._leaving = Leaving(tools.client, self._known, self._dynamics, tools.pace, tools.now)

    async def sync(self, key: Key, since: Since, *, told: bool = False) -> Result:
        """Bring one in sync. ``since``: what is read of a path must have been read then, or later. ``told``: that what it reads
        has changed.

        Raises:
            ClusterError: the API server could not be asked, or what was looked at is outdated.
        """
        held = self._known.externals(key)
        if held is None:
            self._failing.passed(key)
            return Result(Outcome.GONE)
        document = held.document
        if not self._known.claimed(key, held) and not leaves(held):
            wait = self._alone_in(key, held, document)
            if wait is None or wait > 0:
                self._failing.passed(key)
                self._dynamics.forget(held.uid)
                return Result(Outcome.UNCLAIMED, wait)
        if document["metadata"].get("deletionTimestamp"):
            gone = await self._leaving.let_go(key, held, document)
            return Result(
                Outcome.GONE if gone else Outcome.WAITING, problem="" if gone else "its leases are not ended yet"
            )
        found = faults(document, least_refresh=self._tools.least_refresh)
        problem = refusal(found)
        if problem:
            return await self._refused(key, document, problem)
        external = external_of(document)
        try:
            document = await self._leaving.guarded(key, held, document)
            result = await self._one(key, document, external, since, told=told, remark=remarks(found))
        except ClusterError as error:
            if not self._failing.lasts(key, error):
                raise
            await self._teller.say(key, document, external, refused(str(error)), read=False)
            paths = paths_of(external.spec, self._known, key.namespace)
            reads = Reads(paths, interval=external.spec.refresh_seconds(self._tools.least_refresh))
            to_come = self._dynamics.to_come(external, self._secret(key, external))
            until = _until(to_come, self._tools.now())
            return Result(Outcome.FAILED, until, problem=str(error), reads=reads, anew=frozenset())
        self._failing.passed(key)
        return result

    async def contested(self, key: Key, writer: str) -> None:
        """Tell an object that somebody else works on it, too."""
        held = self._known.externals(key)
        if held is not None:
            await self._teller.contested(key, held.document, writer)

    def gone(self, held: Held) -> None:
        """One is no more."""
        self._leaving.gone(held)

    async def _refused(self, key: Key, document: Json, problem: str) -> Result:
        """Say it; what was made before it was so is in use."""
        now = self._tools.now()
        tended = await self._tend(key, read_loosely(document))
        await self._teller.say(key, document, None, refused(problem), read=False)
        return Result(Outcome.REFUSED, _until(tended.to_come, now), problem=problem)

    async def _tend(self, key: Key, external: ExternalSecret) -> Tended:
        return await self._dynamics.tend(external, self._secret(key, external))

    def _secret(self, key: Key, external: ExternalSecret) -> Json | None:
        secret = self._known.secrets(Key(key.namespace, external.target_name))
        return secret.document if secret is not None else None

    def _alone_in(self, key: Key, held: Held, document: Json) -> float | None:
        """Seconds until one that is not govgate's is told of, since nobody else does; None: it is somebody's."""
        missing = self._known.missing(held.stores, key.namespace)
        return alone_in(document, self._tools.now()) if missing and len(missing) == len(held.stores) else None

    async def _one(
        self, key: Key, document: Json, external: ExternalSecret, since: Since, *, told: bool, remark: str
    ) -> Result:
        tools, spec, status = self._tools, external.spec, document.get("status") or {}
        dynamics = self._dynamics
        interval = spec.refresh_seconds(tools.least_refresh)
        paths = paths_of(spec, self._known, key.namespace)
        last = read_at(status)
        tended = await self._tend(key, external)
        present, now = tended.present, tools.now()  # after that: what is due by then is due now
        end = _first(due(paths, interval, last.timestamp()) if last is not None else None, tended.replaced_at)
        needed = read_needed(external, status, _time(now), _time(end) if end is not None else None).why
        if told and spec.refresh_policy != "CreatedOnce":
            needed = "changed"
        ready = ready_of(status)
        settled = ready.get("status") == "True"
        missing = interval > 0 and self._known.missing(refs_of(document["spec"]), key.namespace)
        untouched = left_alone(external, present, str(ready.get("reason")), tools.key)
        lost = dynamics.lost(external, tended.made)
        if needed == "no" and settled and untouched and not missing and not lost:
            reads = Reads(paths, noted(present, external, paths), interval)
            again = _until(_first(end, tended.next_at), now)
            return Result(Outcome.UNCHANGED, again, reads=reads, partial=searches(spec))
        anew = needed != "no" or not settled
        since = earliest(since, interval, now) if anew else _any_time
        reading = Reading(external, tools.sources, since, tended.made)
        try:
            decision, written = await self._bringer.bring(external, present, reading, tended.note)
        except (StoreError, ExternalError, AuditError) as error:
            outcome = Outcome.WAITING if isinstance(error, StoreError | AuditError) else Outcome.REFUSED
            await self._teller.say(key, document, external, refused(str(error)), read=False)
            reads = Reads(paths, {}, interval)
            unread = frozenset(reading.failed) if isinstance(error, AuditError) else reading.anew
            return Result(outcome, _until(tended.to_come, now), problem=str(error), reads=reads, anew=unread)
        held = dynamics.noted(external, decision.held)
        if decision.action is not Action.REFUSE:
            # By its note, not by what was made: a Secret that stays as it is uses what it has.
            dynamics.settled(external, held)
            lost = dynamics.lost(external, held.made)
            if lost:
                decision = refused(lost)
        await self._teller.say(key, document, external, decision.and_said(remark), read=anew)
        reads = Reads({**paths, **reading.paths}, reading.stamps, interval, whole=True)
        if decision.action is Action.REFUSE:
            return Result(Outcome.REFUSED, _until(tended.to_come, now), problem=decision.message, reads=reads)
        await self._writer.sweep(external)
        # What was read counts from now: the next window is the one after this moment's.
        again = _first(due(paths, interval, now), dynamics.next_at(external, held))
        if decision is NOT_THERE and interval > 0:
            again = _first(again, now + interval)  # nobody tells of a Secret that is not govgate's
        # Of a clock that was set back meanwhile the old time counts, by which the next look is timed: else it came that much later.
        return Result(written, _until(again, max(now, tools.now())), reads=reads)


def _any_time(_: Path) -> float:
    return float("-inf")


def _first(*ends: float | None) -> float | None:
    return min((one for one in ends if one is not None), default=None)


def _until(end: float | None, now: float) -> float | None:
    return max(0.0, end - now) + 0.05 if end is not None else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
