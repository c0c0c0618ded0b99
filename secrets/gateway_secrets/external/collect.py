"""From what was read to the values of the Secret: extracted, rewritten, converted, decoded, in ESO's order.

Source: ``externalsecret_controller_secret.go`` of ESO. What is read, and how, is another's: see :class:`Reads`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from gateway_secrets.external.errors import ContentError
from gateway_secrets.external.fault_parts import is_key
from gateway_secrets.external.generators import check_kept
from gateway_secrets.external.renderer import Renderer
from gateway_secrets.external.rewrite import rewritten
from gateway_secrets.external.spec import EntryFrom, FindRef, GeneratorRef, Spec, StoreRef
from gateway_secrets.stores.errors import NotFoundError, StoreError
from gateway_secrets.stores.model import Conversion, Decoding, Find, NullBytes, Payload, Reference
from gateway_secrets.stores.values import as_map, convert_keys, decode, select

MAX_SOURCES = 50
"""So many are named in the annotations of a Secret."""
MAX_READS = 5_000


class Source(msgspec.Struct, frozen=True, order=True):
    """Where a value is from."""

    store: str
    key: str
    version: str


class Values(msgspec.Struct, frozen=True):
    """What an ExternalSecret reads. ``missing``: the fields whose secrets are not there, and need not be."""

    data: dict[str, bytes]
    sources: tuple[Source, ...] = ()
    missing: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Values({len(self.data)} keys)"


class Fresh(msgspec.Struct, frozen=True):
    """What a generator gives. ``remembered``: the Secret is what remembers it, and what that holds stays. ``source``: where
    it was made, if that is elsewhere.
    """

    values: Mapping[str, bytes]
    remembered: bool = True
    source: Source | None = None

    def __repr__(self) -> str:
        return f"Fresh({sorted(self.values)})"


class Reads(Protocol):
    """What stores hold. Raises the errors of stores, and ExternalError where something may not be read."""

    async def payload(self, store: StoreRef, reference: Reference) -> Payload:
        """What is under the key of a reference."""
        ...

    async def find(self, store: StoreRef, find: Find) -> Sequence[str]:
        """The keys of all secrets that match."""
        ...

    async def generate(self, generator: GeneratorRef, where: str) -> Fresh:
        """Values by a generator, for the entry at the field ``where``."""
        ...


async def collect(spec: Spec, reads: Reads, renderer: Renderer, kept: Mapping[str, bytes] | None = None) -> Values:
    """All values: those of ``dataFrom`` one after the other, then those of ``data``; whoever comes later wins. ``kept``: what
    the Secret holds: what is there under a key of a generator is not made anew.

    Raises:
        StoreError: a store does not give what is asked of it; of several errors, the first by the order of the fields.
        ExternalError: something may not be read, or cannot become a value of a Secret.
    """
    collector = _Collector(spec, reads, renderer, kept or {})
    asked = [collector.entry(entry, f"spec.dataFrom[{index}]") for index, entry in enumerate(spec.data_from)]
    asked.append(collector.entries())
    several = await asyncio.gather(*asked, return_exceptions=True)
    data: dict[str, bytes] = {}
    for found in several:
        if isinstance(found, BaseException):
            raise found
        data |= found
    return Values(data, tuple(sorted(collector.sources)[:MAX_SOURCES]), tuple(collector.missing))


class _Collector:
    def __init__(self, spec: Spec, reads: Reads, renderer: Renderer, kept: Mapping[str, bytes]) -> None:
        self._kept = kept
        self._spec = spec
        self._reads = reads
        self._renderer = renderer
        self.sources: set[Source] = set()
        self.missing: list[str] = []

    async def entries(self) -> dict[str, bytes]:
        """Of ``data``."""
        data = self._spec.data
        asked = [self._payload(self._spec.store_of(one.source_ref), one.remote_ref) for one in data]
        values: dict[str, bytes] = {}
        several = await asyncio.gather(*asked, return_exceptions=True)
        for index, (one, found) in enumerate(zip(data, several, strict=True)):
            where, ref = f"spec.data[{index}]", one.remote_ref
            try:
                if isinstance(found, BaseException):
                    raise found
                value = decode(select(found, ref.property, key=ref.key), ref.decoding_strategy, key=ref.key)
            except StoreError as error:
                self._failed(error, where)
                continue
            values[one.secret_key] = _checked(value, ref.null_byte_policy, where)
        return values

    async def entry(self, entry: EntryFrom, where: str) -> dict[str, bytes]:
        """Of one of ``dataFrom``."""
        if entry.generator is not None and entry.extract is None and entry.find is None:
            return await self._generated(entry, entry.generator, where)
        store = self._spec.store_of(entry.source_ref)
        try:
            if entry.extract is not None:
                payload = await self._payload(store, entry.extract)
                values = as_map(payload, entry.extract.property, key=entry.extract.key)
                how: Reference | FindRef = entry.extract
            elif entry.find is not None:
                values, how = await self._found(store, entry.find), entry.find
            else:
                raise ContentError(f"{where}: says nothing of what is to be read")
            if entry.rewrite:
                values = await rewritten(values, entry.rewrite, self._renderer, where=f"{where}.rewrite")
            return _finished(values, how, where, convert=not entry.rewrite)
        except StoreError as error:
            self._failed(error, where)
            return {}

    async def _generated(self, entry: EntryFrom, generator: GeneratorRef, where: str) -> dict[str, bytes]:
        fresh = await self._reads.generate(generator, where)
        if fresh.remembered:
            check_kept(self._spec, (generator.kind,))
        if fresh.source is not None:
            self.sources.add(fresh.source)
        values = dict(fresh.values)
        if entry.rewrite:
            values = await rewritten(values, entry.rewrite, self._renderer, where=f"{where}.rewrite")
        made = _finished(values, FindRef(), where, convert=False)
        return {key: self._kept.get(key, value) for key, value in made.items()} if fresh.remembered else made

    async def _found(self, store: StoreRef, find: FindRef) -> dict[str, bytes]:
        names = await self._reads.find(store, Find(find.path, find.name.regexp, find.tags))
        if len(names) > MAX_READS:
            raise ContentError(f"more than {MAX_READS} secrets are found: narrow the search")
        several = await asyncio.gather(*(self._payload(store, Reference(name)) for name in names))
        return {name: select(payload, "", key=name) for name, payload in zip(names, several, strict=True)}

    async def _payload(self, store: StoreRef, reference: Reference) -> Payload:
        payload = await self._reads.payload(store, reference)
        self.sources.add(Source(str(store), reference.key, payload.version))
        return payload

    def _failed(self, error: StoreError, where: str) -> None:
        """Raise the error; unless what is not there is to go from the Secret, too."""
        if isinstance(error, NotFoundError) and self._spec.target.deletion_policy != "Retain":
            self.missing.append(where)
            return
        raise type(error)(f"{where}: {error}") from None


def _finished(values: dict[str, bytes], how: Reference | FindRef, where: str, *, convert: bool) -> dict[str, bytes]:
    """Under keys that a Secret may have, decoded, and looked through."""
    conversion: Conversion = how.conversion_strategy
    strategy: Decoding = how.decoding_strategy
    if convert:
        values = convert_keys(values, conversion)
    finished = {}
    for key, value in values.items():
        if not is_key(key):
            raise ContentError(f"{where}: {key[:80]!r} cannot be a key of a Secret: add a rewrite")
        finished[key] = _checked(decode(value, strategy, key=key), how.null_byte_policy, where)
    return finished


def _checked(value: bytes, policy: NullBytes, where: str) -> bytes:
    if policy == "Fail" and b"\0" in value:
        raise ContentError(f"{where}: the value holds NUL bytes, and nullBytePolicy is Fail")
    return value
