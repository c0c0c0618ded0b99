"""Secrets that Vault makes for ExternalSecrets: made once for each refresh.

What was made is in memory until it is written, so that a write that fails makes nothing anew. What a process made that was
killed before it wrote it ends with its lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from gateway.controllers.external.endings import Endings
from gateway.controllers.external.journal import Journal, lease_note
from gateway.controllers.external.sessions import Generator, Sessions
from gateway.core.errors import AuditError
from gateway_secrets.external.collect import Source
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.made import Made, Note, ended_at, generator_name, mark_of, recovered
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.status import synced_version
from gateway_secrets.stores.errors import StoreError
from gateway_secrets.stores.vault_dynamic import VaultDynamic
from gateway_secrets.stores.vault_dynamic_spec import Lease


class Kept(msgspec.Struct):
    """What this process made, for whom. ``written``: the Secret has it."""

    made: Made
    values: Mapping[str, bytes]
    external: ExternalSecret
    written: bool = False

    def __repr__(self) -> str:
        return f"Kept({self.made.where})"


class Making:
    """What this process made. ``key``: of marks; ``least_refresh``: seconds between two refreshes; ``now``: the clock, seconds
    since the epoch.
    """

    def __init__(
        self,
        sessions: Sessions,
        journal: Journal,
        endings: Endings,
        *,
        key: bytes,
        actor: str,
        least_refresh: float,
        now: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._journal = journal
        self._endings = endings
        self._key = key
        self._actor = actor
        self._least_refresh = least_refresh
        self._now = now
        self._kept: dict[str, list[Kept]] = {}

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
            if kept.made.generator == name and kept.made.is_for(external, generator.revision, now, self._least_refresh):
                return kept, source
        kept = await self._made(generator, external, where, path)
        for old in [one for one in self._kept.get(external.uid, ()) if one.made.where == where and not one.written]:
            self._kept[external.uid].remove(old)
            self._endings.end(external, ended_at(old.made, now))
        self._kept.setdefault(external.uid, []).append(kept)
        return kept, source

    def of(self, uid: str) -> list[Kept]:
        """What was made for an ExternalSecret, and is not forgotten."""
        return list(self._kept.get(uid, ()))

    def written(self, uid: str, after: Note) -> list[Made]:
        """A Secret says ``after``: what it does not hold is forgotten; what it was not known to hold until now is returned."""
        marks = {one.mark for one in after.made}
        stay = [one for one in self._kept.pop(uid, ()) if one.made.mark in marks]
        if stay:
            self._kept[uid] = stay
        new = [one for one in stay if not one.written]
        for one in new:
            one.written = True
        return [one.made for one in new]

    def forget(self, uid: str) -> None:
        """An ExternalSecret is no more, or not govgate's any more."""
        self._kept.pop(uid, None)

    def forget_all(self) -> list[Kept]:
        """No value is kept; what no Secret is known to have is returned."""
        unwritten = [one for several in self._kept.values() for one in several if not one.written]
        self._kept.clear()
        return unwritten

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
        source = await self._sessions.source(generator)
        at = self._now()
        try:
            generated = await source.generate()
        except StoreError as error:
            await self._sessions.failed(generator.identity, error)
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
            self._endings.end(external, ended_at(made, at))
            raise
        return Kept(made, generated.values, external)

    async def _unrecorded(self, external: ExternalSecret, made: Made, source: VaultDynamic) -> None:
        """End at once what is not on record, and is not used; if that cannot be done now, it is tried until it can."""
        if made.lease is None:
            return
        try:
            await source.revoke(made.lease)
        except StoreError as error:
            self._endings.tell(external, made.generator, f"is not on record, and not ended yet: {error}")
            self._endings.end(external, ended_at(made, made.at))

    async def _note(
        self, generator: Generator, external: ExternalSecret, path: str, lease: Lease | None, outcome: str | StoreError
    ) -> None:
        name = generator_name(generator.ref)
        await lease_note(self._journal, self._actor, external, name, path=path, lease=lease, outcome=outcome)
