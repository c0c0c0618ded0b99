"""Secrets that Vault makes for ExternalSecrets: made once for each refresh, kept alive by their leases, ended some time after they
are replaced.

What was made is in memory until it is written, so that a write that fails makes nothing anew. What a process made that was
killed before it wrote it ends with its lease; what was written, and what it replaced, is noted on the Secret
(:mod:`gateway_secrets.external.made`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from gateway.controllers.external.endings import CLOSE_SECONDS, Endings
from gateway.controllers.external.held import SECRETS, Json
from gateway.controllers.external.journal import Journal, lease_note
from gateway.controllers.external.lease_book import LOOK_SECONDS, LeaseBook
from gateway.controllers.external.sessions import Generator, Sessions
from gateway.controllers.external.telling import Notices
from gateway.core.errors import AuditError, ClusterError
from gateway.kube import KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.collect import Source
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.generators import DYNAMIC
from gateway_secrets.external.made import (
    MAX_REPLACED,
    Made,
    Note,
    Replaced,
    ended_at,
    generator_name,
    mark_of,
    note_in,
    note_name,
    note_of,
    recovered,
    ref_of,
    replaced_by,
)
from gateway_secrets.external.record import annotations_of
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.status import synced_version
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS
from gateway_secrets.stores.errors import ForbiddenError, NotFoundError, StoreError
from gateway_secrets.stores.vault_dynamic import VaultDynamic
from gateway_secrets.stores.vault_dynamic_spec import Lease

_AGAIN_SECONDS = 15.0
_LATEST_AGAIN_SECONDS = 300.0
_AGAIN_AT = 1.0 / 8.0
"""What could not be renewed, or ended, is tried again when this part of what is left of its lease is over, within these bounds."""
_STAYING = ("CreatedOnce", "OnChange")
"""Refresh policies by which nothing is replaced because its time has come."""


class Kept(msgspec.Struct):
    """What this process made, for whom. ``written``: the Secret has it."""

    made: Made
    values: Mapping[str, bytes]
    external: ExternalSecret
    written: bool = False

    def __repr__(self) -> str:
        return f"Kept({self.made.where})"


class Tended(msgspec.Struct, frozen=True):
    """After leases were renewed, and ended: what is good, and the Secret. In seconds since the epoch: when another one is to be
    made, when this is looked at again, and when it is at the latest where what was due could not be done (``to_come``).
    """

    note: Note
    present: Json | None
    replaced_at: float | None
    next_at: float | None
    to_come: float | None

    @property
    def made(self) -> tuple[Made, ...]:
        """What the Secret holds that is good."""
        return self.note.made


class Dynamics:
    """For one event loop. ``key``: of marks; ``now``: the clock, seconds since the epoch. ``least_refresh``: seconds between two
    refreshes; ``grace``: seconds before what was replaced is ended.
    """

    least_refresh = LEAST_REFRESH_SECONDS
    grace = 300.0

    def __init__(
        self,
        client: KubeClient,
        sessions: Sessions,
        journal: Journal,
        pace: Pace,
        *,
        key: bytes,
        actor: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self.sessions = sessions
        self._journal = journal
        self._key = key
        self._actor = actor
        self._pace = pace
        self._now = now
        self._kept: dict[str, list[Kept]] = {}
        self._book = LeaseBook()
        self._notices = Notices(client, pace, now)
        self.endings = Endings(sessions, journal, actor, now, self._notices)
        self.endings.in_use = self._book.in_use

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
        names = [one.generator.replace("/", " ") for one in made if one.has_ended(spec, now, self.least_refresh)]
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
        """What was made for an entry, if it is still good; else what is made now. ``data``: what the Secret holds.

        Raises:
            SpecError: nothing would remember it, or nothing could take its place.
            StoreError: Vault does not give it.
            AuditError: it cannot be put on record.
        """
        if external.spec.target.creation_policy == "None":
            raise SpecError(f"{where}: creationPolicy None: there is no Secret for what {generator.label} makes")
        if external.spec.target.immutable:
            raise SpecError(
                f"{where}: spec.target.immutable: what {generator.label} makes ends, and could not be replaced"
            )
        path, now, name = generator.path, self._now(), generator_name(generator.ref)
        source = Source(generator.label, path, "")
        for kept in self._candidates(external, where, noted, data):
            if kept.made.generator == name and kept.made.is_for(external, generator.revision, now, self.least_refresh):
                return kept, source
        kept = await self._made(generator, external, where, path)
        for old in [one for one in self._kept.get(external.uid, ()) if one.made.where == where and not one.written]:
            self._kept[external.uid].remove(old)
            self.endings.end(external, ended_at(old.made, now))
        self._kept.setdefault(external.uid, []).append(kept)
        return kept, source

    def _candidates(
        self, external: ExternalSecret, where: str, noted: Sequence[Made], data: Mapping[str, bytes]
    ) -> Iterator[Kept]:
        memory = [one for one in self._kept.get(external.uid, ()) if one.made.where == where]
        yield from (one for one in memory if not one.written)
        for made in noted:
            if made.where != where:
                continue
            values = next((one.values for one in memory if one.made.mark == made.mark), None)
            values = recovered(made, data, self._key) if values is None else values
            if values is not None:
                yield Kept(made, values, external, written=True)

    async def _made(self, generator: Generator, external: ExternalSecret, where: str, path: str) -> Kept:
        source = await self.sessions.source(generator)
        at = self._now()
        try:
            generated = await source.generate()
        except StoreError as error:
            await self.sessions.failed(generator.identity, error)
            await self._note(generator, external, path, None, error)
            raise type(error)(f"{where}: {generator.label}: {error}") from None
        made = Made(
            where, generator_name(generator.ref), generator.revision, synced_version(external), at,
            mark_of(generated.values, self._key), tuple(sorted(generated.values)),
            generated.lease, generated.lease.seconds if generated.lease is not None else 0.0,
        )  # fmt: skip
        try:
            await self._note(generator, external, path, generated.lease, "generated")
        except AuditError:
            await self._unrecorded(external, made, source)
            raise
        except asyncio.CancelledError:
            self.endings.end(external, ended_at(made, at))
            raise
        return Kept(made, generated.values, external)

    async def _unrecorded(self, external: ExternalSecret, made: Made, source: VaultDynamic) -> None:
        """End at once what is not on record, and is not used; if that cannot be done now, it is tried until it can."""
        if made.lease is None:
            return
        try:
            await source.revoke(made.lease)
        except StoreError as error:
            self.endings.tell(external, made.generator, f"is not on record, and not ended yet: {error}")
            self.endings.end(external, ended_at(made, made.at))

    async def _note(
        self, generator: Generator, external: ExternalSecret, path: str, lease: Lease | None, outcome: str | StoreError
    ) -> None:
        name = generator_name(generator.ref)
        await lease_note(self._journal, self._actor, external, name, path=path, lease=lease, outcome=outcome)

    async def tend(self, external: ExternalSecret, present: Json | None) -> Tended:
        """Renew the leases that are due, end those that were replaced long enough ago, and note it on the Secret. What is no good
        any more is left out.

        Raises:
            ClusterError: the Secret could not be written.
        """
        now, good, times = self._now(), list[Made](), list[float]()
        noted = self.noted(external, present)
        self._book.seen(external.uid, noted)
        for one in noted.made:
            kept = await self._kept_good(external, one, now)
            if kept is not None:
                good.append(kept)
                times += self._due(external, kept, now)
        replaced = [one for one in noted.replaced if not await self._over(external, one, now)]
        times += [self._ended_at(one) for one in replaced]
        # Where all is lost the note stays as it is until something takes its place.
        note = Note(tuple(good) if good else noted.made, tuple(replaced))
        if note != noted and present is not None:
            present = await self._rewritten(external, present, note)
        wanted = {f"spec.dataFrom[{at}]" for at, kind in enumerate(_kinds(external)) if kind == DYNAMIC}
        ends = [at for one in good if (at := one.replaced_at(external.spec, self.least_refresh)) is not None]
        missing = (wanted | {one.where for one in noted.made}) - {one.where for one in good}
        anew = list(ends)
        if missing and external.spec.refresh_seconds(self.least_refresh) > 0:
            anew.append(now)
        known = [*times, *ends]
        to_come = min((at for at in known if at > now), default=None)
        note = Note(tuple(good), tuple(replaced))
        self._book.seen(external.uid, note)
        return Tended(note, present, min(anew, default=None), min(known, default=None), to_come)

    def next_at(self, external: ExternalSecret, note: Note) -> float | None:
        """When a lease is to be renewed, ended or asked after, or another secret made, in seconds since the epoch."""
        return min(self._times(external, note), default=None)

    def to_come(self, external: ExternalSecret, secret: Json | None) -> float | None:
        """When something is to be done about leases that a Secret notes, if that is to come, in seconds since the epoch."""
        now = self._now()
        times = self._times(external, self.noted(external, secret))
        return min((at for at in times if at > now), default=None)

    def _times(self, external: ExternalSecret, note: Note) -> list[float]:
        now = self._now()
        due = [at for one in note.made for at in self._due(external, one, now)]
        replaced = [at for one in note.made if (at := one.replaced_at(external.spec, self.least_refresh)) is not None]
        return [*due, *replaced, *(self._ended_at(one) for one in note.replaced)]

    def _due(self, external: ExternalSecret, made: Made, now: float) -> list[float]:
        """When something is to be done about a lease in use: it is renewed, is asked after, or has ended for good."""
        if made.lease is None or made.lease.ends <= now:
            return []
        times, due = [self._book.look_at(made.lease.id)], made.renewed_at()
        if due is not None:
            times.append(due if due > now else now + _pause(made.lease, now))
        if made.replaced_at(external.spec, self.least_refresh) is None:
            times.append(made.lease.ends)
        return times

    def _ended_at(self, one: Replaced) -> float:
        return max(one.at, self._book.try_at(one.lease.id))

    async def _kept_good(self, external: ExternalSecret, made: Made, now: float) -> Made | None:
        """With its lease renewed, if that is due; None: it is no good any more, and there is to be another one."""
        if made.lease is None or (made.lease.ends <= now and not made.lease.renewable):
            return made
        if self._book.is_lost(external.uid, made.lease.id):
            return None
        due = made.renewed_at()
        renews = due is not None and due <= now
        if not renews and self._book.look_at(made.lease.id) > now:
            return made
        self._book.looked(made.lease.id, now)
        return await self._asked(external, made, renews=renews)

    async def _asked(self, external: ExternalSecret, made: Made, *, renews: bool) -> Made | None:
        """After its lease was renewed, or asked after: with it as it is now, or as it was: it is tried again."""
        assert made.lease is not None  # noqa: S101 - it has one
        same = False
        try:
            source, same = await self._source(external, made)
            if renews:
                return msgspec.structs.replace(made, lease=await source.renew(made.lease))
            await source.look(made.lease)
        except NotFoundError as error:
            if same:
                return await self._gone(external, made, str(error))
            problem = str(error)
        except (StoreError, SpecError) as error:
            problem = str(error)
            if not renews:
                # Whoever may not ask finds out when it is renewed: no reason to log in anew.
                again = LOOK_SECONDS if isinstance(error, ForbiddenError) else _LATEST_AGAIN_SECONDS
                self._book.looked(made.lease.id, self._now() + again - LOOK_SECONDS)
            elif isinstance(error, StoreError):
                await self.sessions.failed((external.namespace, made.generator, made.revision), error)
        else:
            return made
        if not renews:
            return made
        if self._now() < made.lease.ends:
            self.endings.tell(external, made.generator, f"is not renewed yet: {problem}")
            return made
        self.endings.tell(external, made.generator, f"is not renewed: {problem}")
        return msgspec.structs.replace(made, lease=msgspec.structs.replace(made.lease, renewable=False))

    async def _source(self, external: ExternalSecret, made: Made) -> tuple[VaultDynamic, bool]:
        """What made something, and whether it is still the same: a generator that has changed may ask another server."""
        source = self.sessions.known(external.namespace, made.generator, made.revision)
        if source is not None:
            return source, True
        generator = await self.sessions.find(ref_of(made.generator), external.namespace)
        return await self.sessions.source(generator), generator.revision == made.revision

    async def _gone(self, external: ExternalSecret, made: Made, problem: str) -> Made | None:
        """What becomes of something whose lease is no more: another takes its place, or it is noted that it has ended."""
        assert made.lease is not None  # noqa: S101 - it had one
        self.endings.tell(external, made.generator, f"is no good any more: {problem}")
        if made.replaced_at(external.spec, self.least_refresh) is None:
            now = min(made.lease.ends, self._now())
            return msgspec.structs.replace(made, lease=msgspec.structs.replace(made.lease, renewable=False, ends=now))
        self._book.lose(external.uid, made.lease.id)
        name = made.generator.replace("/", " ")
        message = f"what {name} made is no good any more, and another one is made: {problem}"
        await self._notices.say(external, "LeaseLost", message)
        return None

    async def _over(self, external: ExternalSecret, one: Replaced, now: float) -> bool:
        """Whether what was replaced is ended, by its own end or, if that is due, here and now."""
        if one.lease.ends > now:
            if self._ended_at(one) > now:
                return False
            try:
                done = await self.endings.try_once(external, one)
            except AuditError as error:
                self.endings.tell(external, one.generator, f"is not ended yet: {error}")
                done = False
            if not done:
                self._book.tried(one.lease.id, now + _pause(one.lease, now))
                return False
        self._book.ended(external.uid, one.lease.id)
        return True

    async def _rewritten(self, external: ExternalSecret, present: Json, note: Note) -> Json:
        notes = dict(annotations_of(present))
        text = note_of(note, external, self._key)
        notes.pop(note_name(external), None)
        notes |= {note_name(external): text} if text else {}
        document = present | {"metadata": present["metadata"] | {"annotations": notes}}
        await self._pace()
        path = SECRETS.path("v1", external.namespace, external.target_name)
        found = await self._client.replace(path, document)
        found["metadata"].pop("managedFields", None)
        return found | {"apiVersion": "v1", "kind": "Secret"}

    def settled(self, external: ExternalSecret, after: Note) -> None:
        """The Secret says ``after``; what it does not name is ended: at once, if it was never in use."""
        uid, now = external.uid, self._now()
        marks = {one.mark for one in after.made}
        kept = self._kept.pop(uid, [])
        stay = [one for one in kept if one.made.mark in marks]
        used = self._book.beyond(uid, after)
        for one in stay:
            if one.made.lease is not None and not one.written:
                self._book.looked(one.made.lease.id, now)
            one.written = True
        if stay:
            self._kept[uid] = stay
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
        return uid in self._kept or bool(self._book.all_of(uid))

    def gone(self, external: ExternalSecret) -> None:
        """It is no more. Leases that it had then, since somebody took away what holds it until they are ended, are ended."""
        for one in self._all_of(external.uid):
            self.endings.end(external, one)
        self.forget(external.uid)

    def forget(self, uid: str) -> None:
        """It is no more, or not govgate's any more: nothing is known of it."""
        self._kept.pop(uid, None)
        self._book.drop(uid)

    def _all_of(self, uid: str) -> list[Replaced]:
        """All leases that are known, each to be ended now."""
        made = [ended_at(one.made, 0.0) for one in self._kept.get(uid, ())]
        known = [msgspec.structs.replace(one, at=0.0) for one in self._book.all_of(uid)]
        return list({one.lease.id: one for one in (*made, *known) if one is not None}.values())

    async def close(self) -> None:
        """What this process made, and no Secret has, is ended, as far as that goes within a moment; and no value is kept."""
        unwritten = [one for several in self._kept.values() for one in several if not one.written]
        self._kept.clear()
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


def _pause(lease: Lease, now: float) -> float:
    """Seconds until renewing or ending it is tried again."""
    return min(max((lease.ends - now) * _AGAIN_AT, _AGAIN_SECONDS), _LATEST_AGAIN_SECONDS)


def _kinds(external: ExternalSecret) -> list[str]:
    """Of the generators of each entry."""
    return [one.generator.kind if one.generator is not None else "" for one in external.spec.data_from]
