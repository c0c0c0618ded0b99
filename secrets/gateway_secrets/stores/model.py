"""The vocabulary of stores, and the protocol that each of them meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from gateway_secrets.stores.errors import StoreError

Decoding = Literal["Auto", "Base64", "Base64URL", "None"]
Conversion = Literal["Default", "Unicode"]
NullBytes = Literal["Ignore", "Fail"]


class Reference(msgspec.Struct, frozen=True, rename="camel"):
    """``remoteRef`` of an ExternalSecret (external-secrets.io/v1)."""

    key: str
    property: str = ""
    version: str = ""
    metadata_policy: Literal["None", "Fetch"] = "None"
    conversion_strategy: Conversion = "Default"
    decoding_strategy: Decoding = "None"
    null_byte_policy: NullBytes = "Ignore"


class Find(msgspec.Struct, frozen=True):
    """What to look for: ``path`` to begin at, ``name`` a pattern (RE2) of the names, ``tags`` that all must be there."""

    path: str = ""
    name: str = ""
    tags: Mapping[str, str] = {}


class Payload(msgspec.Struct, frozen=True):
    """What a store holds under one key. Its values are in no ``repr``.

    ``whole`` is what is given without a property, None if there is no lossless way to; ``fields`` are its literal keys,
    None if it has none; ``nested`` says where a path that is no literal key leads: into the whole document, or into the
    field that its first segment names.
    """

    whole: bytes | None
    fields: Mapping[str, bytes] | None = None
    nested: Literal["document", "field"] = "document"
    version: str = ""
    created: str = ""

    def __repr__(self) -> str:
        return f"Payload(version={self.version!r}, created={self.created!r})"


class Secret(msgspec.Struct, frozen=True):
    """One value, of one version, as the reference asks for it. The value is in no ``repr``.

    ``version`` is the provider's, empty if it has none; ``created`` is RFC 3339, empty if the provider does not tell.
    """

    value: bytes
    version: str = ""
    created: str = ""

    def __repr__(self) -> str:
        return f"Secret({len(self.value)} bytes, version={self.version!r}, created={self.created!r})"


class Metadata(msgspec.Struct, frozen=True):
    """What is known of a secret without reading it. ``document`` is what ``metadataPolicy: Fetch`` gives."""

    version: str = ""
    created: str = ""
    document: Mapping[str, Any] = {}


class Store(Protocol):
    """One store that has been opened. For one event loop; concurrent use is fine.

    ``within`` is how many seconds are left. Every method raises the errors of :mod:`.errors` and no others.
    """

    @property
    def provider(self) -> str:
        """The name in ``spec.provider``."""
        ...

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        """What is stored under ``key``, in its newest version if ``version`` is empty."""
        ...

    async def describe(self, key: str, *, within: float) -> Metadata:
        """The version and the like, without the value."""
        ...

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        """The keys of all secrets that match, in order."""
        ...

    async def close(self) -> None:
        """Give back connections and tokens."""
        ...


@runtime_checkable
class BatchStore(Store, Protocol):
    """A store that can be asked for several secrets in one request."""

    @property
    def batch_size(self) -> int:
        """So many keys at most; 1 once it has turned out that this store, or who asks it, cannot."""
        ...

    async def read_many(self, keys: Sequence[str], *, within: float) -> Mapping[str, Payload | StoreError]:
        """The newest version of each key, or why there is none; raises what concerns the request as a whole."""
        ...


@runtime_checkable
class CheckedStore(Store, Protocol):
    """A store that can tell whether its credentials are taken, without reading a secret."""

    async def check(self, *, within: float) -> None:
        """Log in, if that has not been done, and ask the cheapest question that needs it."""
        ...


@runtime_checkable
class WritableStore(Store, Protocol):
    """A store that can be written to. Each change is made as a whole, or not at all.

    ``name`` is a literal key of the object that is stored; without one, all that is stored under ``key`` is meant.
    What was cut off by a deadline may have been done: doing it again does no harm.
    """

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        """Store ``value``; what is stored already is not written again. The version that holds it, if there are any."""
        ...

    async def remove(self, key: str, name: str, *, within: float) -> None:
        """Remove ``name``, and the secret with the last of its names; what is not there is removed already."""
        ...


@runtime_checkable
class AnnotatedStore(WritableStore, Protocol):
    """A store that keeps something else of a secret that is pushed, besides its value."""

    def check_metadata(self, metadata: Any, *, where: str) -> None:
        """Whether it knows all that ``metadata`` of a PushSecret says; raises MisconfiguredError."""
        ...

    async def annotate(self, key: str, metadata: Any, *, within: float) -> None:
        """Have it kept, of a secret that was pushed; what is so already is not written again."""
        ...
