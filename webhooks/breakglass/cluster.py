"""The grants of a connected cluster: which holds, and the one thing that govgate writes there: that one was used.

A use is counted before the answer leaves, by a write that the API server takes only if the grant is still as it was read
(resourceVersion). Of several gateways one succeeds; the others read again, and decide again (ADR 13).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.core.errors import ClusterError, ConfigError
from gateway.core.finding import Finding
from gateway.core.guard import Indeterminate, OnError
from gateway.core.subject import Subject
from gateway.kube import ApiError, KubeClient, WatchCache
from gateway.kube.store import Key
from webhooks.breakglass.clock import Forward
from webhooks.breakglass.events import EventWriter
from webhooks.breakglass.grant import API_VERSION, KIND, RESOURCE, Grant, Use, read_grant
from webhooks.breakglass.opened import Opened
from webhooks.breakglass.using import GUARD, choose, excused, not_in_force, use_of

_CONFLICT, _FORBIDDEN = 409, "403 "
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
    """Holds the grants, lets requests through, writes down what expired.

    ``most``: findings that one guard tells of. ``counting``: whether what is judged happens: else (recorded requests)
    nothing is written, and each is judged as a dry run.
    """

    def __init__(self, client: KubeClient, clock: Forward, *, most: int, counting: bool) -> None:
        self._counting = counting
        self._client = client
        self._clock = clock
        self._most = most
        self._cache = WatchCache(client, RESOURCE, read_grant, on_change=self._changed)
        self._opened: Opened | None = None
        self._events = EventWriter(client)
        self._sweeper: asyncio.Task[None] | None = None

    def checks(self) -> dict[str, bool | str]:
        """That they were read. Where they may not be, none holds: that refuses more, and is no reason not to answer."""
        cache = self._cache
        return {str(RESOURCE): cache.synced or cache.problem.startswith(_FORBIDDEN) or cache.problem}

    def warnings(self) -> dict[str, str]:
        """Why no grant holds at present."""
        return {} if self._cache.synced else {str(RESOURCE): f"no grant holds: {self._cache.problem}"}

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
        held = [grant for _, grant in self._cache.items()] if self._cache.synced else []
        now = self._clock()
        choice = choose(held, subject, findings, now, most=self._most)
        if choice.grant is None:
            return Excused((*findings, *(not_in_force(findings, why) for why in choice.idle)))
        if subject.dry_run or not self._counting:
            count = f"dry run, not counted; {choice.grant.status.used} of {choice.grant.spec.max_uses} used"
            return Excused(excused(choice.grant, findings, count=count), allowed=True)
        use = use_of(subject, findings, now)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                counted = await self._count(choice.grant, use)
        except TimeoutError:
            return _uncounted(findings, choice.grant, "the deadline passed")
        except (ClusterError, ConfigError) as error:
            return _uncounted(findings, choice.grant, str(error))
        if isinstance(counted, str):
            return Excused((*findings, not_in_force(findings, counted)))
        self._events.used(counted, use)
        count = f"use {counted.status.used} of {counted.spec.max_uses}"
        return Excused(excused(counted, findings, count=count), allowed=True)

    async def _count(self, grant: Grant, use: Use) -> Grant | str:
        """The grant with the use added; or why it does not hold any more.

        Raises:
            ClusterError: the use could not be written, or it is not known whether it was.
            ConfigError: what is there is no grant.
        """
        path = RESOURCE.path("v1alpha1", name=grant.name)
        for attempt in range(_TRIES):
            status = {"used": grant.status.used + 1, "uses": msgspec.to_builtins((*grant.status.uses, use))}
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
            if fresh.state(self._clock()) != "active":
                return f"{fresh.id} covers this, but is {fresh.state(self._clock())}"
            grant = fresh
        raise ClusterError(f"others kept writing to it ({_TRIES} tries)")

    def _changed(self, _key: Key, _old: Grant | None, _new: Grant | None) -> None:
        self._opened = None

    async def _sweep(self) -> None:
        """Write down which have expired: no clock, of no gateway, takes that back."""
        while True:
            now = self._clock()
            for grant in [grant for _, grant in self._cache.items() if _ran_out(grant, now)]:
                path = f"{RESOURCE.path('v1alpha1', name=grant.name)}/status"
                try:
                    await self._client.merge(path, _patch(grant, {"expired": True}))
                except ClusterError as error:
                    # Another gateway was first, or the next round will do.
                    _log.debug("expiry not written", extra={"fields": {"grant": grant.name, "problem": str(error)}})
            await asyncio.sleep(_SWEEP_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - as above


def _ran_out(grant: Grant, now: datetime) -> bool:
    return grant.spec.expires <= now and not grant.status.expired and grant.status.revoked is None


def _patch(grant: Grant, status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": grant.name, "resourceVersion": grant.version}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status}


def _uncounted(findings: Sequence[Finding], grant: Grant, why: str) -> Excused:
    reason = f"{grant.id} covers this, but its use could not be counted: {why}"
    return Excused(tuple(findings), doubt=Indeterminate(GUARD, reason, OnError.ALLOW))
