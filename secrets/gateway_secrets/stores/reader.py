"""A store as everything else reads it: paced, bounded, and giving exactly what a reference asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from gateway.tasks import is_cancelled
from gateway_secrets.stores.batches import identity, payloads_of
from gateway_secrets.stores.errors import MisconfiguredError, StoreError, UnavailableError, UnusableError
from gateway_secrets.stores.gathering import Gathering
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import (
    AnnotatedStore,
    BatchStore,
    CheckedStore,
    Find,
    Metadata,
    Payload,
    Reference,
    Secret,
    Store,
    WritableStore,
)
from gateway_secrets.stores.pace import Pace
from gateway_secrets.stores.values import as_map, convert_keys, decode, fields_of, go_json, select

_T = TypeVar("_T")
_CLOSED = "the store was closed meanwhile"


class Reader:
    """Reads one store; whoever shares it shares its rate, its token and its connections."""

    def __init__(self, store: Store, limits: StoreLimits | None = None, *, pace: Pace | None = None) -> None:
        self._store = store
        self._limits = limits or StoreLimits()
        self._pace = pace or Pace(self._limits)
        self._gathering = Gathering(self.payloads, self._limits.gather_seconds)
        self._closed = False

    @property
    def provider(self) -> str:
        """The name of the store's kind in ``spec.provider``."""
        return self._store.provider

    async def get(self, reference: Reference) -> Secret:
        """The one value that ``reference`` names.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        payload = await self.payload(reference)
        value = select(payload, reference.property, key=reference.key)
        return Secret(self._bounded(reference, value), payload.version, payload.created)

    async def get_map(self, reference: Reference) -> dict[str, Secret]:
        """All pairs of the object that ``reference`` names (``dataFrom.extract``), under keys that a Secret may have.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        payload = await self.payload(reference)
        values = convert_keys(as_map(payload, reference.property, key=reference.key), reference.conversion_strategy)
        return {
            name: Secret(self._bounded(reference, value), payload.version, payload.created)
            for name, value in values.items()
        }

    async def payload(self, reference: Reference) -> Payload:
        """All that is stored under the key of ``reference``, or known of it, if that is what its ``metadataPolicy`` asks for.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        if reference.metadata_policy == "Fetch":
            metadata = await self.describe(reference.key)
            whole = go_json(dict(metadata.document), html=False)
            return Payload(whole, fields_of(whole), version=metadata.version, created=metadata.created)
        return await self._asked(lambda within: self._store.read(reference.key, reference.version, within=within))

    async def gathered(self, reference: Reference) -> Payload:
        """As :meth:`payload`; what others ask for at the same moment is read by the same request, where the store can do that.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        store = self._store
        most = store.batch_size if isinstance(store, BatchStore) else 1
        if most > 1 and not reference.version and reference.metadata_policy == "None" and not self._closed:
            return await self._gathering.payload(reference, most)
        return await self.payload(reference)

    async def describe(self, key: str) -> Metadata:
        """The version of a secret and the like, without its value.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        return await self._asked(lambda within: self._store.describe(key, within=within))

    async def find(self, find: Find) -> Sequence[str]:
        """The keys of the secrets that match.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        found = await self._asked(lambda within: self._store.find(find, within=within))
        if len(found) > self._limits.found_secrets:
            raise UnusableError(f"more than {self._limits.found_secrets} secrets are found: narrow the search")
        return found

    async def payloads(self, references: Sequence[Reference]) -> list[Payload | StoreError]:
        """What :meth:`payload` gives or raises for each: one read of each key and version, and fewer where the store can."""
        found = await payloads_of(self._store, self._asked, self.payload, references, self._limits)
        return [found[identity(reference)] for reference in references]

    async def get_many(self, references: Sequence[Reference]) -> list[Secret | StoreError]:
        """What :meth:`get` gives or raises for each, read as :meth:`payloads`."""
        found: list[Secret | StoreError] = []
        for reference, payload in zip(references, await self.payloads(references), strict=True):
            try:
                if isinstance(payload, StoreError):
                    raise payload
                value = select(payload, reference.property, key=reference.key)
                found.append(Secret(self._bounded(reference, value), payload.version, payload.created))
            except StoreError as error:
                found.append(error)
        return found

    async def put(self, reference: Reference, value: bytes, metadata: Any = None) -> str:
        """Store ``value`` under the key, or as the literal property of the object there. The version that holds it.

        ``metadata``: of a PushSecret; what else the store is to keep of it.

        Raises:
            StoreError: see :mod:`.errors`; the store cannot be written to, or knows nothing of such metadata.
        """
        store = self._writable()
        self._check_size(reference, value)
        if metadata is not None:
            if not isinstance(store, AnnotatedStore):
                raise MisconfiguredError(f"metadata: a store of {self.provider} keeps none that is pushed from here")
            store.check_metadata(metadata, where="metadata")
        version = await self._asked(lambda within: store.write(reference.key, reference.property, value, within=within))
        if metadata is not None and isinstance(store, AnnotatedStore):
            annotated = store
            await self._asked(lambda within: annotated.annotate(reference.key, metadata, within=within))
        return version

    async def delete(self, reference: Reference) -> None:
        """Remove the property, or the key with all that is there; what is not there is removed already.

        Raises:
            StoreError: as :meth:`put`.
        """
        store = self._writable()
        await self._asked(lambda within: store.remove(reference.key, reference.property, within=within))

    async def check(self) -> None:
        """Find out whether the store answers and takes the credentials; reads no secret.

        Raises:
            StoreError: see :mod:`.errors`.
        """
        if isinstance(self._store, CheckedStore):
            await self._asked(self._checked)

    async def close(self) -> None:
        """Close the store. Who still reads it is told that it is closed."""
        self._closed = True
        self._gathering.close(_CLOSED)
        await self._store.close()

    async def _asked(self, ask: Callable[[float], Awaitable[_T]]) -> _T:
        """Paced; what ends because the store was closed, or what its client gives up, is an error as any other."""
        if self._closed:
            raise UnavailableError(_CLOSED)
        try:
            return await self._pace.call(ask)
        except StoreError:
            raise
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise UnavailableError(_CLOSED if self._closed else "the request was broken off") from None
        except Exception:
            if not self._closed:
                raise
            raise UnavailableError(_CLOSED) from None

    async def _checked(self, within: float) -> None:
        assert isinstance(self._store, CheckedStore)  # noqa: S101 - it was looked at
        await self._store.check(within=within)

    def _bounded(self, reference: Reference, value: bytes) -> bytes:
        decoded = decode(value, reference.decoding_strategy, key=reference.key)
        self._check_size(reference, decoded)
        return decoded

    def _check_size(self, reference: Reference, value: bytes) -> None:
        if len(value) > self._limits.value_bytes:
            raise UnusableError(
                f"{reference.key}: {len(value)} bytes; a Secret of Kubernetes holds {self._limits.value_bytes}"
            )

    def _writable(self) -> WritableStore:
        if not isinstance(self._store, WritableStore):
            raise MisconfiguredError(f"a store of {self.provider} cannot be written to")
        return self._store
