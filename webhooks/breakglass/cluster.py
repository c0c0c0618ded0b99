"""The grants of a connected cluster: which holds, and the one thing that govgate writes there: that one was used.

A use is counted before the answer leaves, by a write that the API server takes only if the grant is still as it was read
(resourceVersion). Of several gateways one succeeds; the others read again, and decide again (ADR 13).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.errors import ClusterError, ConfigError
from gateway.core.finding import Finding
from gateway.core.guard import Indeterminate, OnError
from gateway.core.subject import Subject
from gateway.kube import ApiError, KubeClient, WatchCache
from gateway.kube.store import Key
from webhooks.breakglass.clock import Clocks, Moment
from webhooks.breakglass.events import EventWriter
from webhooks.breakglass.grant import API_VERSION, KIND, RESOURCE, Grant, Use, read_grant
from webhooks.breakglass.noted import Notes
from webhooks.breakglass.once import joined, known
from webhooks.breakglass.opened import Opened
from webhooks.breakglass.seen import doubt_of, seen
from webhooks.breakglass.using import GUARD, MAX_FIELDS, Choice, excused, holds_for, not_in_force, use_of, why_not

_CONFLICT, _FORBIDDEN = 409, "403 "
_VERSION = RESOURCE.versions[0]
_TRIES = 20
_WAIT_SECONDS = 0.01
_SWEEP_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Excused(msgspec.Struct, frozen=True):
    """What became of a refused request: the findings as they now are, and whether a grant lets it through.

    ``doubt``: a grant would have, but its use could not be counted.
    """

    findings: tuple[Finding, ...]
    allowed: bool = False
    doubt: Indeterminate | None = None


class ClusterGrants:
    """Holds the grants, lets requests through, writes down what expired. ``notes``: of the approvals that hold.

    ``most``: findings that one guard tells of. ``counting``: whether what is judged happens: else (recorded requests)
    nothing is written, and each is judged as a dry run.
    """

    def __init__(self, client: KubeClient, clock: Clocks, notes: Notes, *, most: int, counting: bool) -> None:
        self._counting = counting
        self._notes = notes
        self._client = client
        self._clock = clock
        self._most = most
        self._cache = WatchCache(client, RESOURCE, read_grant, on_change=self._changed)
        self._opened: Opened | None = None
        self._events = EventWriter(client)
        self._apart = False
        self._sweeper: asyncio.Task[None] | None = None

    def checks(self) -> dict[str, bool | str]:
        """That they were read. Where they may not be, none holds: that refuses more, and is no reason not to answer."""
        cache = self._cache
        return {str(RESOURCE): cache.synced or cache.problem.startswith(_FORBIDDEN) or cache.problem}

    def warnings(self) -> dict[str, str]:
        """Why no grant holds at present, and that clocks do not agree."""
        found = {} if self._cache.synced else {str(RESOURCE): f"no grant holds: {self._cache.problem}"}
        problem = self._clock.problem()
        return found | ({"break-glass-clock": problem} if problem else {})

    def start(self) -> None:
        """Begin to watch."""
        self._cache.start()
        if self._counting:
            self._sweeper = asyncio.create_task(self._sweep(), name="break-glass expiry")

    async def close(self) -> None:
        """Stop."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self._events.close()
        await self._cache.close()

    def opened(self, subject: Subject) -> tuple[str, ...]:
        """Fields of the object that were changed under a grant: they are its owner's, though it may not say so any more."""
        if self._opened is None:
            self._opened = Opened(grant for _, grant in self._cache.items())
        return self._opened.fields(subject)

    async def excuse(self, subject: Subject, findings: Sequence[Finding], *, seconds: float) -> Excused:
        """Let a refused request through, if a grant holds; its use is counted, within ``seconds``, unless it is a dry run."""
        started = time.monotonic()
        choice, now, doubt = await self._chosen(subject, findings, seconds)
        if choice.grant is None or now is None:
            notes = tuple(not_in_force(findings, why) for why in choice.idle)
            return Excused((*findings, *notes), doubt=doubt)
        if subject.dry_run or not self._counting:
            count = f"dry run, not counted; {choice.grant.status.used} of {choice.grant.spec.max_uses} used"
            return Excused(excused(choice.grant, findings, count=count), allowed=True)
        seconds -= time.monotonic() - started
        use = use_of(subject, findings, now.now)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                counted = await self._count(choice.grant, use)
        except TimeoutError:
            return _uncounted(findings, choice.grant, "the deadline passed")
        except (ClusterError, ConfigError) as error:
            return _uncounted(findings, choice.grant, str(error))
        if isinstance(counted, str):
            return Excused((*findings, not_in_force(findings, counted)))
        number = known(counted.status.uses, use)
        # Told of once: the same write may be asked about by other webhooks, and again.
        if number is not None and counted.status.uses[number].id == use.id:
            self._events.used(counted, use)
        count = f"use {counted.status.used if number is None else number + 1} of {counted.spec.max_uses}"
        return Excused(excused(counted, findings, count=count), allowed=True)

    async def _chosen(
        self, subject: Subject, findings: Sequence[Finding], seconds: float
    ) -> tuple[Choice, Moment | None, Indeterminate | None]:
        """The grant that holds, and when it did; or why that is not known."""
        held = [grant for _, grant in self._cache.items()] if self._cache.synced else []
        if not held:
            return Choice(), None, None
        started = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                now = await self._clock.read()
        except (TimeoutError, ClusterError) as error:
            why = f"no grant holds: {str(error) or 'the deadline passed'}"
            return Choice(), None, Indeterminate(GUARD, why, OnError.ALLOW)
        seconds -= time.monotonic() - started
        choice, doubt = await seen(held, subject, findings, now, self._notes, most=self._most, seconds=seconds)
        return choice, now, doubt

    async def _count(self, grant: Grant, use: Use) -> Grant | str:
        """The grant with the use in it, counted once however often it was asked about; or why it does not hold any more.

        Raises:
            ClusterError: the use could not be written, or it is not known whether it was.
            ConfigError: what is there is no grant.
        """
        path = RESOURCE.path(_VERSION, name=grant.name)
        for attempt in range(_TRIES):
            uses = _with(grant.status.uses, use)
            if uses == grant.status.uses:
                return grant
            if any(len(one.fields) > MAX_FIELDS for one in uses):
                return f"{grant.id} covers this, but one use changes at most {MAX_FIELDS} fields: change fewer"
            status = {"used": len(uses), "uses": msgspec.to_builtins(uses)}
            try:
                return read_grant(await self._client.merge(f"{path}/status", _patch(grant, status)))
            except ApiError as error:
                if error.code != _CONFLICT:
                    raise
            # Jitter, for those who lost to the same writer; it guards nothing.
            await asyncio.sleep(_WAIT_SECONDS * random.uniform(0.2, 1.0) * min(attempt, 5))  # noqa: S311
            fresh = read_grant(await self._client.get(path))
            if (fresh.uid, fresh.spec) != (grant.uid, grant.spec):
                return f"{grant.id} is another one now"
            now = await self._clock.read()
            if not holds_for(fresh, use, now):
                return why_not(fresh, now)
            grant = fresh
        raise ClusterError(f"others kept writing to it ({_TRIES} tries)")

    def _changed(self, _key: Key, _old: Grant | None, _new: Grant | None) -> None:
        self._opened = None

    async def _sweep(self) -> None:
        """Write down which have expired: no clock, of no gateway, takes that back."""
        while True:
            try:
                await self._write_expired(await self._clock.read())
            except ClusterError as error:
                _log.warning("time is not known", extra={"fields": {"problem": str(error)}})
            self._tell_of_clocks()
            await asyncio.sleep(_SWEEP_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - as above

    async def _write_expired(self, now: Moment) -> None:
        """Those that both clocks say are over; the API server is asked once more before that."""
        if not any(_ran_out(grant, now) for _, grant in self._cache.items()):
            return
        try:
            now = await self._clock.fresh()
        except ClusterError as error:
            _log.debug("no expiry written", extra={"fields": {"problem": str(error)}})
            return
        for grant in [grant for _, grant in self._cache.items() if _ran_out(grant, now)]:
            path = f"{RESOURCE.path(_VERSION, name=grant.name)}/status"
            try:
                await self._client.merge(path, _patch(grant, {"expired": True}))
            except ClusterError as error:
                # Another gateway was first, or the next round will do.
                _log.debug("expiry not written", extra={"fields": {"grant": grant.name, "problem": str(error)}})

    def _tell_of_clocks(self) -> None:
        problem = self._clock.problem()
        if problem and not self._apart:
            _log.warning("clocks do not agree", extra={"fields": {"problem": problem}})
        elif self._apart and not problem:
            _log.warning("clocks agree again")
        self._apart = bool(problem)


def _ran_out(grant: Grant, now: Moment) -> bool:
    return now.is_past(grant.spec.expires) and not grant.status.expired and grant.status.revoked is None


def _patch(grant: Grant, status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": grant.name, "resourceVersion": grant.version}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status}


def _with(uses: tuple[Use, ...], use: Use) -> tuple[Use, ...]:
    """The uses with this one, as one of them if it is the same write's."""
    index = known(uses, use)
    return (*uses, use) if index is None else (*uses[:index], joined(uses[index], use), *uses[index + 1 :])


def _uncounted(findings: Sequence[Finding], grant: Grant, why: str) -> Excused:
    return Excused(tuple(findings), doubt=doubt_of(grant, f"its use could not be counted: {why}"))
