"""Secrets that Vault makes for ExternalSecrets: made once for each refresh, kept alive by their leases, ended when they are replaced.

What was made is in memory until it is written, so that a write that fails makes nothing anew. What a process made that was
killed before it wrote it ends with its lease; what was written is noted on the Secret (:mod:`gateway_secrets.external.made`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from gateway.controllers.external.endings import Endings
from gateway.controllers.external.held import SECRETS, Json
from gateway.controllers.external.journal import Journal, lease_note
from gateway.controllers.external.sessions import Generator, Sessions
from gateway.core.errors import AuditError
from gateway.kube import KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.collect import Source
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.generators import DYNAMIC
from gateway_secrets.external.made import Made, generator_name, made_in, mark_of, note_name, note_of, recovered, ref_of
from gateway_secrets.external.record import annotations_of
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.status import synced_version
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS
from gateway_secrets.stores.errors import NotFoundError, StoreError
from gateway_secrets.stores.vault_dynamic_spec import Lease

_AGAIN_SECONDS = 15.0
_LATEST_AGAIN_SECONDS = 300.0
_AGAIN_AT = 1.0 / 8.0
"""What could not be renewed is tried again when this part of what is left of its lease is over, within these bounds."""


class Kept(msgspec.Struct):
    """What this process made. ``written``: the Secret has it."""

    made: Made
    values: Mapping[str, bytes]
    written: bool = False

    def __repr__(self) -> str:
        return f"Kept({self.made.where})"


class Tended(msgspec.Struct, frozen=True):
    """After leases were renewed: what is good, and the Secret. In seconds since the epoch: when another one is to be made,
    when this is looked at again, and when it is at the latest where what was due could not be done (``to_come``).
    """

    made: tuple[Made, ...]
    present: Json | None
    replaced_at: float | None
    next_at: float | None
    to_come: float | None


class Dynamics:
    """For one event loop. ``key``: of marks; ``now``: the clock, seconds since the epoch. ``least_refresh``: seconds between two
    refreshes.
    """

    least_refresh = LEAST_REFRESH_SECONDS

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
        self.endings = Endings(sessions, journal, actor, now)

    def noted(self, external: ExternalSecret, secret: Json | None) -> tuple[Made, ...]:
        """What a Secret says was made for an ExternalSecret."""
        return made_in(secret, external, self._key)

    def note(self, external: ExternalSecret, made: Sequence[Made]) -> str:
        """The annotation that says it."""
        return note_of(made, external, self._key)

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
        for kept in self._candidates(external.uid, where, noted, data):
            if kept.made.generator == name and kept.made.is_for(external, generator.revision, now, self.least_refresh):
                return kept, source
        kept = await self._made(generator, external, where, path)
        for old in [one for one in self._kept.get(external.uid, ()) if one.made.where == where and not one.written]:
            self._kept[external.uid].remove(old)
            self.endings.end(external, old.made)
        self._kept.setdefault(external.uid, []).append(kept)
        return kept, source

    def _candidates(self, uid: str, where: str, noted: Sequence[Made], data: Mapping[str, bytes]) -> Iterator[Kept]:
        memory = [one for one in self._kept.get(uid, ()) if one.made.where == where]
        yield from (one for one in memory if not one.written)
        for made in noted:
            if made.where != where:
                continue
            values = next((one.values for one in memory if one.made.mark == made.mark), None)
            values = recovered(made, data, self._key) if values is None else values
            if values is not None:
                yield Kept(made, values, written=True)

    async def _made(self, generator: Generator, external: ExternalSecret, where: str, path: str) -> Kept:
        source = await self.sessions.source(generator)
        at = self._now()
        try:
            generated = await source.generate()
        except StoreError as error:
            await self.sessions.failed(generator.identity, error)
            await self._note(generator, external, path, error)
            raise type(error)(f"{where}: {generator.label}: {error}") from None
        try:
            await self._note(generator, external, path, generated.lease)
        except AuditError:
            if generated.lease is not None:
                await source.revoke(generated.lease)
            raise
        made = Made(
            where, generator_name(generator.ref), generator.revision, synced_version(external), at,
            mark_of(generated.values, self._key), tuple(sorted(generated.values)),
            generated.lease, generated.lease.seconds if generated.lease is not None else 0.0,
        )  # fmt: skip
        return Kept(made, generated.values)

    async def _note(
        self, generator: Generator, external: ExternalSecret, path: str, what: Lease | StoreError | None
    ) -> None:
        name = generator_name(generator.ref)
        await lease_note(self._journal, self._actor, external, name, path=path, what=what, outcome="generated")

    async def tend(self, external: ExternalSecret, present: Json | None) -> Tended:
        """Renew the leases that are due, and note it on the Secret. What is no good any more is left out.

        Raises:
            ClusterError: the Secret could not be written.
        """
        now, good, renewals = self._now(), list[Made](), list[float | None]()
        noted = self.noted(external, present)
        for one in noted:
            due = one.renewed_at()
            kept: Made | None = one
            if due is not None and due <= now:
                kept = await self._renewed(external, one)
                due = kept.renewed_at() if kept is not None else None
            if due is not None and due <= now and kept is not None:
                due = now + _pause(kept, now)
            good += [kept] if kept is not None else []
            renewals.append(due)
        if tuple(good) != noted and good and present is not None:
            present = await self._rewritten(external, present, good)
        wanted = {f"spec.dataFrom[{at}]" for at, kind in enumerate(_kinds(external)) if kind == DYNAMIC}
        ends = [at for one in good if (at := one.replaced_at(external.spec, self.least_refresh)) is not None]
        replaced = list(ends)
        missing = (wanted | {one.where for one in noted}) - {one.where for one in good}
        if missing and external.spec.refresh_seconds(self.least_refresh) > 0:
            replaced.append(now)
        times = [at for at in (*renewals, *ends) if at is not None]
        to_come = min((at for at in times if at > now), default=None)
        return Tended(tuple(good), present, min(replaced, default=None), min(times, default=None), to_come)

    def next_at(self, external: ExternalSecret, made: Sequence[Made]) -> float | None:
        """When a lease is to be renewed, or another secret made, in seconds since the epoch."""
        times = [at for one in made for at in (one.renewed_at(), one.replaced_at(external.spec, self.least_refresh))]
        return min((at for at in times if at is not None), default=None)

    def to_come(self, external: ExternalSecret, secret: Json | None) -> float | None:
        """When something is to be done about leases that a Secret notes, if that is to come, in seconds since the epoch."""
        now = self._now()
        times = [self.next_at(external, [one]) for one in self.noted(external, secret)]
        return min((at for at in times if at is not None and at > now), default=None)

    async def _renewed(self, external: ExternalSecret, made: Made) -> Made | None:
        """With its lease renewed, or as it was: it is tried again; None: it is no good any more, and there is to be another one."""
        assert made.lease is not None  # noqa: S101 - it is due
        try:
            source = self.sessions.known(external.namespace, made.generator, made.revision)
            if source is None:
                source = await self.sessions.source(
                    await self.sessions.find(ref_of(made.generator), external.namespace)
                )
            return msgspec.structs.replace(made, lease=await source.renew(made.lease))
        except NotFoundError as error:
            if made.replaced_at(external.spec, self.least_refresh) is not None:
                self.endings.tell(external, made, f"is no good any more: {error}")
                return None
            problem = str(error)
        except (StoreError, SpecError) as error:
            problem = str(error)
            if isinstance(error, StoreError):
                await self.sessions.failed((external.namespace, made.generator, made.revision), error)
            if self._now() < made.lease.ends:
                self.endings.tell(external, made, f"is not renewed yet: {problem}")
                return made
        self.endings.tell(external, made, f"is not renewed: {problem}")
        return msgspec.structs.replace(made, lease=msgspec.structs.replace(made.lease, renewable=False))

    async def _rewritten(self, external: ExternalSecret, present: Json, made: Sequence[Made]) -> Json:
        notes = annotations_of(present) | {note_name(external): self.note(external, made)}
        document = present | {"metadata": present["metadata"] | {"annotations": notes}}
        await self._pace()
        path = SECRETS.path("v1", external.namespace, external.target_name)
        found = await self._client.replace(path, document)
        found["metadata"].pop("managedFields", None)
        return found | {"apiVersion": "v1", "kind": "Secret"}

    def settled(self, external: ExternalSecret, before: Sequence[Made], after: Sequence[Made]) -> None:
        """The Secret has ``after``; what it had, and what was made and is not in it, is ended."""
        marks = {one.mark for one in after}
        leases = {one.lease.id for one in after if one.lease is not None}
        kept = self._kept.pop(external.uid, [])
        stay = [one for one in kept if one.made.mark in marks]
        for one in stay:
            one.written = True
        if stay:
            self._kept[external.uid] = stay
        # The Secret's note knows when a lease was renewed; what is in memory is as it was made.
        known = (*(old.made for old in kept), *before)
        gone = {one.lease.id: one for one in known if one.lease is not None}
        for lease, made in gone.items():
            if lease not in leases:
                self.endings.end(external, made)

    async def let_go(self, external: ExternalSecret, secret: Json | None, *, last: bool) -> bool:
        """End all leases of an ExternalSecret that is deleted; whether that is done. ``last``: it is not tried again.

        Raises:
            AuditError: it cannot be put on record.
        """
        found = [*(one.made for one in self._kept.get(external.uid, ())), *self.noted(external, secret)]
        for made in {one.lease.id: one for one in found if one.lease is not None}.values():
            if not await self.endings.try_once(external, made, leaving=True) and not last:
                return False
        self._kept.pop(external.uid, None)
        return True

    async def close(self) -> None:
        """Nothing is ended any more."""
        await self.endings.close()
        await self.sessions.close()


def _pause(made: Made, now: float) -> float:
    """Seconds until renewing it is tried again."""
    left = made.lease.ends - now if made.lease is not None else 0.0
    return min(max(left * _AGAIN_AT, _AGAIN_SECONDS), _LATEST_AGAIN_SECONDS)


def _kinds(external: ExternalSecret) -> list[str]:
    """Of the generators of each entry."""
    return [one.generator.kind if one.generator is not None else "" for one in external.spec.data_from]
