"""What one ExternalSecret may read, read as seldom as can be, and put on record before it is used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import msgspec

from gateway.controllers.external.generators import Generators
from gateway.controllers.external.journal import Journal
from gateway.controllers.external.known import Known
from gateway.controllers.external.shared import Path, Shared
from gateway.controllers.external.stores import Stores
from gateway.controllers.external.uses import Stamp
from gateway.controllers.external.windows import Since
from gateway.core.errors import GovgateError
from gateway.native import paths
from gateway_secrets.external.allowed import canonical
from gateway_secrets.external.collect import Fresh
from gateway_secrets.external.errors import NotAllowedError
from gateway_secrets.external.made import Made
from gateway_secrets.external.spec import ExternalSecret, GeneratorRef, Spec, StoreRef
from gateway_secrets.external.store import Store
from gateway_secrets.stores.errors import StoreError
from gateway_secrets.stores.model import Find, Payload, Reference
from gateway_secrets.stores.outcomes import outcome_of

_DIGEST_KEY = os.urandom(32)
"""Of this process: what is noted of a value says nothing to others, and nothing later."""


class Sources(msgspec.Struct, frozen=True):
    """What all readings share."""

    known: Known
    stores: Stores
    shared: Shared
    journal: Journal
    actor: str
    generators: Generators


class Reading:
    """The reads of one look at one object. ``paths``: what was read, each with the one name that its store has for it;
    ``stamps``: in which state; ``made``: what generators made elsewhere; ``failed``: what could not be read.

    ``before``: what they had made; ``present``: the values that the Secret holds, set before anything is made.
    """

    def __init__(self, external: ExternalSecret, sources: Sources, since: Since, before: Sequence[Made] = ()) -> None:
        self._before = before
        self.present: Mapping[str, bytes] = {}
        self.made: list[Made] = []
        self._external = external
        self._sources = sources
        self._since = since
        self.paths: dict[Path, str] = {}
        self.stamps: dict[Path, Stamp] = {}
        self.failed: set[Path] = set()
        self._missed = False

    @property
    def anew(self) -> frozenset[Path] | None:
        """What is to be read anew after a failure: what could not be read; None: all, since what is wrong is in what was read."""
        return frozenset(self.failed) if self.failed or self._missed else None

    async def payload(self, store: StoreRef, reference: Reference) -> Payload:
        """What is under a key, if it may be read.

        Raises:
            StoreError: the store does not give it.
            ExternalError: it may not be read.
            AuditError: it cannot be put on record.
        """
        found = self._store(store)
        self._allow(found, reference.key)
        path = path_of(found, self._external.namespace, reference)
        self.paths[path] = _name(found, reference.key)
        return await self._shared(found, path, reference, lambda reader: reader.gathered(reference))

    async def find(self, store: StoreRef, find: Find) -> Sequence[str]:
        """The keys of all that matches and may be read; errors as :meth:`payload`."""
        found = self._store(store)

        async def names(reader: object) -> Payload:
            listed = await reader.find(find)  # type: ignore[attr-defined]
            return Payload(json.dumps(list(listed)).encode())

        path = find_path(found, self._external.namespace, find)
        self.paths[path] = find.path
        payload = await self._shared(found, path, Reference(f"{find.path}*"), names)
        listed: list[str] = json.loads(payload.whole or b"[]")
        return [name for name in listed if is_allowed(found, self._external.namespace, name)]

    async def generate(self, generator: GeneratorRef, where: str) -> Fresh:
        """Values by a generator, for the entry at the field ``where``.

        Raises:
            ExternalError: there is none, or it says what cannot be done.
            ClusterError: the API server could not be asked.
            StoreError: what makes them elsewhere does not give them.
            AuditError: it cannot be put on record.
        """
        with self._missing():
            fresh, made = await self._sources.generators.generate(
                generator, self._external, where, self._before, self.present
            )
        self.made += [made] if made is not None else []
        return fresh

    def _store(self, ref: StoreRef) -> Store:
        with self._missing():
            return usable(self._sources.known, ref, self._external.namespace, named=f"{ref} ")

    @contextmanager
    def _missing(self) -> Iterator[None]:
        """What fails here was not read, and is no fault of what was."""
        try:
            yield
        except GovgateError:
            self._missed = True
            raise

    def _allow(self, store: Store, key: str) -> None:
        if not is_allowed(store, self._external.namespace, key):
            self._missed = True
            where = f"namespace {self._external.namespace}"
            raise NotAllowedError(f"{where} may not read {key!r} of {store.ref}: no rule of its allowed keys lets it")

    async def _shared(self, store: Store, path: Path, reference: Reference, question: Callable[..., object]) -> Payload:
        sources, namespace = self._sources, self._external.namespace

        async def read() -> Payload:
            return await sources.stores.ask(store, namespace, question, about=reference.key)  # type: ignore[arg-type]

        try:
            kept = await sources.shared.get(path, namespace, self._since(path), read)
        except StoreError as error:
            self.failed.add(path)
            await self._note(store, reference, reference.version, outcome_of(error), shared=False)
            raise
        self.stamps[path] = stamp_of(kept.payload)
        await self._note(store, reference, kept.payload.version, "read", shared=kept.shared)
        return kept.payload

    async def _note(self, store: Store, reference: Reference, version: str, outcome: str, *, shared: bool) -> None:
        external = self._external
        await self._sources.journal.note({
            "actor": {"username": self._sources.actor},
            "for": {"kind": "ExternalSecret", "namespace": external.namespace, "name": external.name},
            "provider": store.provider, "store": str(store.ref), "key": reference.key,
            "property": reference.property, "version": version, "outcome": outcome, "shared": shared,
        })  # fmt: skip


def usable(known: Known, ref: StoreRef, namespace: str, *, named: str = "") -> Store:
    """A store, if it is govgate's and the namespace may use it. ``named``: begins what is said else.

    Raises:
        ExternalError: it is not, may not be used, or is not there.
    """
    store = known.store(ref, namespace)
    if not known.claims.store(store.spec.controller, namespace):
        raise NotAllowedError(f"{named}is not govgate's: its spec.controller is {store.spec.controller!r}")
    if not store.admits(namespace, known.labels(namespace), matches):
        raise NotAllowedError(f"{named}may not be used from namespace {namespace}, by its conditions")
    return store


def is_allowed(store: Store, namespace: str, key: str) -> bool:
    """Whether a namespace may have to do with this key of a store, by the store's rules of keys."""
    if store.allowed is None:
        return True
    name = canonical(store.provider, store.spec.provider.get(store.provider) or {}, key)
    return store.allowed.allows(namespace, name)


def path_of(store: Store, namespace: str, reference: Reference) -> Path:
    """Of what a reference leads to: one secret of one version, or what is known of it."""
    return (*store.identity(namespace), "key", reference.key, reference.version, reference.metadata_policy)


def stamp_of(payload: Payload) -> Stamp:
    """In which state something was read."""
    content = msgspec.msgpack.encode((payload.whole, payload.fields), order="sorted")
    return Stamp(payload.version, hashlib.blake2b(content, digest_size=16, key=_DIGEST_KEY).digest())


def find_path(store: Store, namespace: str, find: Find) -> Path:
    """Of a search."""
    return (*store.identity(namespace), "find", find.path, find.name, json.dumps(dict(find.tags), sort_keys=True))


def paths_of(spec: Spec, known: Known, namespace: str) -> dict[Path, str]:
    """All that an ExternalSecret reads, each with the one name that its store has for it; without stores that are not there."""
    found: dict[Path, str] = {}
    asked: list[tuple[StoreRef, Reference | Find]] = []
    for entry in spec.data_from:
        ref = spec.store_of(entry.source_ref)
        if entry.extract is not None:
            asked.append((ref, entry.extract))
        elif entry.find is not None:
            asked.append((ref, Find(entry.find.path, entry.find.name.regexp, entry.find.tags)))
    asked += [(spec.store_of(one.source_ref), one.remote_ref) for one in spec.data]
    for ref, what in asked:
        try:
            store = known.store(ref, namespace)
            if isinstance(what, Find):
                found[find_path(store, namespace, what)] = what.path
            else:
                found[path_of(store, namespace, what)] = _name(store, what.key)
        except GovgateError:  # it is said when it is read
            continue
    return found


def _name(store: Store, key: str) -> str:
    """The one name of a key; as it is written, where the store cannot be read."""
    try:
        return canonical(store.provider, store.spec.provider.get(store.provider) or {}, key)
    except GovgateError:
        return key


@lru_cache(maxsize=4_096)
def _match(pattern: str, text: str) -> bool:
    return bool(paths.matching(pattern, [text]))


def matches(pattern: str, texts: Sequence[str]) -> list[str]:
    """Those of the texts that a pattern is found in."""
    return [text for text in texts if _match(pattern, text)]
