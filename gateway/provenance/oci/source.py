"""What a verification reads from, a registry's repository or a folder, and the checks that both share."""

from __future__ import annotations

import hashlib
import io
from typing import IO, NamedTuple, Protocol

from gateway.provenance.oci.errors import MalformedError
from gateway.provenance.oci.manifest import Descriptor, Manifest


class Found(NamedTuple):
    """A manifest, its bytes, and their digest."""

    digest: str
    body: bytes
    manifest: Manifest


class Source(Protocol):
    """One repository. Everything that comes from it was checked against its digest.

    All methods raise RegistryError; see :mod:`gateway.provenance.oci.errors`.
    """

    async def manifest(self, reference: str) -> Found:
        """The manifest of a digest, or of a tag."""
        ...

    async def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What refers to a manifest, as listed; nothing of a listing is checked."""
        ...

    async def blob(self, descriptor: Descriptor, sink: IO[bytes], *, limit: int, what: str) -> None:
        """Write a blob's bytes into ``sink``; when this raises, what is in it is of no use."""
        ...


async def blob_bytes(source: Source, descriptor: Descriptor, *, limit: int, what: str) -> bytes:
    """A blob in memory.

    Raises:
        RegistryError: it cannot be had, or is too large.
    """
    sink = io.BytesIO()
    await source.blob(descriptor, sink, limit=limit, what=what)
    return sink.getvalue()


def check_digest(actual: str, expected: str, what: str) -> None:
    """Both as ``sha256:…``.

    Raises:
        MalformedError: they differ.
    """
    if actual != expected:
        raise MalformedError(f"{what}: the content has the digest {actual}, not {expected}")


class Hashing(io.RawIOBase):
    """Writes through to a sink, and knows the digest of what is in it; emptied, it begins anew."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write and hash."""
        self._hash.update(data)
        self.size += len(data)
        return self._sink.write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """To the beginning, to be emptied."""
        return self._sink.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        """Empty it."""
        self._hash, self.size = hashlib.sha256(), 0
        return self._sink.truncate(size)

    @property
    def digest(self) -> str:
        """Of what was written."""
        return "sha256:" + self._hash.hexdigest()
