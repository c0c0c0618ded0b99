"""Secrets that Vault makes for ExternalSecrets, from the first to the last: made, kept alive by their leases, and ended.

What was written, and what it replaced, is noted on the Secret (:mod:`gateway_secrets.external.made`). How they are made is
:mod:`.making`'s; what is done about their leases meanwhile :mod:`.tending`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.controllers.external.endings import CLOSE_SECONDS, Endings
from gateway.controllers.external.held import SECRETS, Json
from gateway.controllers.external.journal import Journal
from gateway.controllers.external.lease_book import LeaseBook
from gateway.controllers.external.lease_times import times_of, to_come
from gateway.controllers.external.making import Kept, Making
from gateway.controllers.external.sessions import Generator, Sessions
from gateway.controllers.external.telling import Notices
from gateway.controllers.external.tending import Tended, Tending
from gateway.core.errors import ClusterError
from gateway.kube import KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.collect import Source
from gateway_secrets.external.made import (
    MAX_REPLACED,
    Made,
    Note,
    Replaced,
    ended_at,
    note_in,
    note_of,
    replaced_by,
)
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS

_STAYING = ("CreatedOnce", "OnChange")
"""Refresh policies by which nothing is replaced because its time has come."""


class Dynamics:
    """For one event loop. ``key``: of marks; ``least_refresh``: seconds between two refreshes; ``grace``: seconds before what was
    replaced is ended; ``now``: the clock, seconds since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        sessions: Sessions,
        journal: Journal,
        pace: Pace,
        *,
        key: bytes,
        actor: str,
        least_refresh: float = LEAST_REFRESH_SECONDS,
        grace: float = 300.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.sessions = sessions
        self._key = key
        self._least_refresh = least_refresh
        self.grace = grace
        self._now = now
        self._book = LeaseBook()
        notices = Notices(client, pace, now)
        self.endings = Endings(sessions, journal, actor, now, notices)
        self.endings.in_use = self._book.in_use
        self._making = Making(
            sessions, journal, self.endings, key=key, actor=actor, least_refresh=least_refresh, now=now
        )
        self._tending = Tending(
            client,
            pace,
            sessions,
            self._book,
            self.endings,
            notices=notices,
            key=key,
            least_refresh=least_refresh,
            now=now,
        )

    def noted(self, external: ExternalSecret, secret: Json | None) -> Note:
        """What a Secret says was made for an ExternalSecret."""
        return note_in(secret, external, self._key)

    def note(self, external: ExternalSecret, made: Sequence[Made], before: Note) -> str:
        """The annotation that says that a Secret holds ``made``, and what it held is to be ended."""
        seen = self._book.beyond(external.uid, before)
        replaced = replaced_by(made, before, seen, self._now(), self.grace)
        return note_of(Note(tuple(made), replaced), external, self._key)

    def lost(self, external: ExternalSecret, made: Sequence[Made]) -> str:
        """What is no good any more, and stays by the refresh policy: for the condition; empty if there is nothing."""
        now, spec = self._now(), external.spec
        names = [one.generator.replace("/", " ") for one in made if one.has_ended(spec, now, self._least_refresh)]
        if not names:
            return ""
        policy = f"refreshPolicy {spec.refresh_policy}" if spec.refresh_policy in _STAYING else "refreshInterval 0"
        return (
            f"what {', '.join(names)} made has ended, and {policy} does not replace it:"
            f" delete the Secret {external.target_name}, and another one is made"
        )

    async def values(
        self,
        generator: Generator,
        external: ExternalSecret,
        where: str,
        noted: Sequence[Made],
        data: Mapping[str, bytes],
    ) -> tuple[Kept, Source]:
        """See :meth:`.making.Making.values`."""
        return await self._making.values(generator, external, where, noted, data)

    async def tend(self, external: ExternalSecret, present: Json | None) -> Tended:
        """See :meth:`.tending.Tending.tend`."""
        return await self._tending.tend(external, present)

    def next_at(self, external: ExternalSecret, note: Note) -> float | None:
        """When a lease is to be renewed, ended or asked after, or another secret made, in seconds since the epoch."""
        return min(times_of(external.spec, note, self._book, self._now(), self._least_refresh), default=None)

    def to_come(self, external: ExternalSecret, secret: Json | None) -> float | None:
        """When something is to be done about leases that a Secret notes, if that is to come, in seconds since the epoch."""
        now, note = self._now(), self.noted(external, secret)
        return to_come(times_of(external.spec, note, self._book, now, self._least_refresh), now)

    def settled(self, external: ExternalSecret, after: Note) -> None:
        """The Secret says ``after``; what it does not name is ended: at once, if it was never in use."""
        uid, now = external.uid, self._now()
        kept, used = self._making.of(uid), self._book.beyond(uid, after)
        for new in self._making.written(uid, after):
            if new.lease is not None:
                self._book.looked(new.lease.id, now)
        self._book.settle(uid, after)
        named = after.leases | {one.lease.id for one in used}
        # For those that a full note has no room for there is no more time; where there is no note, this process alone knows of them.
        latest = now if len(after.replaced) >= MAX_REPLACED else now + self.grace
        for old in used:
            at = latest if old.at < 0 else min(old.at, latest)
            self.endings.end(external, msgspec.structs.replace(old, at=min(at, old.lease.ends)))
        for one in kept:
            if one.made.lease is not None and one.made.lease.id not in named:
                self.endings.end(external, ended_at(one.made, now))

    async def let_go(self, external: ExternalSecret, secret: Json | None, *, last: bool) -> bool:
        """End all leases of an ExternalSecret that is deleted; whether that is done. ``last``: it is not tried again.

        Raises:
            AuditError: it cannot be put on record.
        """
        self._book.seen(external.uid, self.noted(external, secret))
        for one in self._all_of(external.uid):
            if not await self.endings.try_once(external, one, leaving=True) and not last:
                return False
        self.forget(external.uid)
        return True

    def knows(self, uid: str) -> bool:
        """Whether there is anything to do about one that is no more."""
        return bool(self._making.of(uid) or self._book.all_of(uid))

    def gone(self, external: ExternalSecret) -> None:
        """It is no more. Leases that it had then, since somebody took away what holds it until they are ended, are ended."""
        for one in self._all_of(external.uid):
            self.endings.end(external, one)
        self.forget(external.uid)

    def forget(self, uid: str) -> None:
        """It is no more, or not govgate's any more: nothing is known of it."""
        self._making.forget(uid)
        self._book.drop(uid)

    def _all_of(self, uid: str) -> list[Replaced]:
        """All leases that are known, each to be ended now."""
        made = [ended_at(one.made, 0.0) for one in self._making.of(uid)]
        known = [msgspec.structs.replace(one, at=0.0) for one in self._book.all_of(uid)]
        return list({one.lease.id: one for one in (*made, *known) if one is not None}.values())

    async def close(self) -> None:
        """What this process made, and no Secret has, is ended, as far as that goes within a moment; and no value is kept."""
        unwritten = self._making.forget_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                for kept in unwritten:
                    if await self._is_unused(kept):
                        self.endings.end(kept.external, ended_at(kept.made, 0.0))
        await self.endings.close()
        await self.sessions.close()

    async def _is_unused(self, kept: Kept) -> bool:
        """Whether no Secret has it: the answer to a write may have been lost."""
        external = kept.external
        try:
            secret = await self._client.find(SECRETS.path("v1", external.namespace, external.target_name))
        except ClusterError:
            return False
        return kept.made.mark not in {one.mark for one in self.noted(external, secret).made}
