"""Artifacts in a folder: an OCI image layout, as ``oras``, ``crane``, ``skopeo`` and ``cosign save`` write it."""

from __future__ import annotations

import asyncio
import io
import stat
from pathlib import Path
from typing import IO, cast

import msgspec

from gateway.provenance.oci.errors import MalformedError, NotFoundError, TooLargeError, UnreachableError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import Descriptor, Manifest, parse_listing, parse_manifest
from gateway.provenance.oci.reference import LayoutReference, is_digest
from gateway.provenance.oci.source import Found, Hashing, check_digest

_TAG = "org.opencontainers.image.ref.name"
_PIECE = 1024 * 1024


class Layout:
    """One folder; see :class:`gateway.provenance.oci.source.Source`. Tags are those of its ``index.json``."""

    def __init__(self, reference: LayoutReference, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._path = Path(reference.path)
        self._name = reference.name

    async def only(self) -> str:
        """The digest of the one artifact that is not about another one.

        Raises:
            NotFoundError: there is none, or several: a tag must say which.
        """
        listed = await self._listed()
        tags = {one.digest for one in listed if not _is_about(_tag_of(one))}
        found = [digest for digest in sorted(tags) if (await self.manifest(digest)).manifest.subject is None]
        if len(found) != 1:
            raise NotFoundError(f"{self._name}: holds {len(found)} artifacts: name one by its tag or digest")
        return found[0]

    async def manifest(self, reference: str) -> Found:
        """The manifest of a digest or a tag."""
        digest, body, what = await self._body(reference)
        return Found(digest, body, parse_manifest(body, what=what))

    async def _body(self, reference: str) -> tuple[str, bytes, str]:
        what = f"{self._name}@{reference}" if is_digest(reference) else f"{self._name}:{reference}"
        digest = reference if is_digest(reference) else await self._tagged(reference, what)
        sink = io.BytesIO()
        await self._read(digest, sink, self._limits.manifest_bytes, what)
        return digest, sink.getvalue(), what

    async def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What refers to a manifest: by the tag that stands for the list, and by the subjects of what is listed."""
        found: dict[str, Descriptor] = {}
        for one in await self._listed():
            if _tag_of(one) == digest.replace(":", "-"):
                _, body, what = await self._body(one.digest)
                found |= {listed.digest: listed for listed in parse_listing(body, what=what)}
                continue
            try:
                manifest = (await self.manifest(one.digest)).manifest
            except (MalformedError, NotFoundError, TooLargeError):
                found[one.digest] = msgspec.structs.replace(
                    one, artifact_type=""
                )  # it may be one: whoever looks finds out
                continue
            if manifest.subject is not None and manifest.subject.digest == digest:
                found[one.digest] = msgspec.structs.replace(one, artifact_type=manifest.kind)
        return tuple(found.values())

    async def blob(self, descriptor: Descriptor, sink: IO[bytes], *, limit: int, what: str) -> None:
        """Write a blob's bytes into ``sink``, checked."""
        if descriptor.size > limit:
            raise TooLargeError(f"{what}: {descriptor.size} bytes, more than {limit}")
        await self._read(descriptor.digest, sink, descriptor.size, what)

    async def _tagged(self, tag: str, what: str) -> str:
        found = {one.digest for one in await self._listed() if _tag_of(one) == tag}
        if not found:
            raise NotFoundError(f"{what}: the layout has no such tag")
        if len(found) > 1:
            raise MalformedError(f"{what}: the layout has several of this tag")
        return found.pop()

    async def _listed(self) -> tuple[Descriptor, ...]:
        what = f"{self._name}/index.json"
        sink = io.BytesIO()
        await asyncio.to_thread(_copy, self._path / "index.json", sink, self._limits.manifest_bytes, what)
        index: Manifest = parse_manifest(sink.getvalue(), what=what)
        return index.manifests or ()

    async def _read(self, digest: str, sink: IO[bytes], limit: int, what: str) -> None:
        hashing = Hashing(sink)
        path = self._path / "blobs" / "sha256" / digest.removeprefix("sha256:")
        await asyncio.to_thread(_copy, path, cast("IO[bytes]", hashing), limit, what)
        check_digest(hashing.digest, digest, what)


def _tag_of(descriptor: Descriptor) -> str:
    return (descriptor.annotations or {}).get(_TAG, "")


def _is_about(tag: str) -> bool:
    """Whether a tag is of signatures or referrers: ``sha256-…``, ``sha256-….sig``."""
    return is_digest(tag.partition(".")[0].replace("-", ":", 1))


def _copy(path: Path, sink: IO[bytes], limit: int, what: str) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MalformedError(f"{what}: {path.name} is no regular file")
        with path.open("rb") as file:
            copied = 0
            while piece := file.read(min(_PIECE, limit - copied + 1)):
                copied += len(piece)
                if copied > limit:
                    raise TooLargeError(f"{what}: larger than {limit} bytes")
                sink.write(piece)
    except FileNotFoundError:
        raise NotFoundError(f"{what}: {path} is not there") from None
    except OSError as error:
        raise UnreachableError(f"{what}: cannot read {path}: {error.strerror}") from None
