"""Manifests, indexes and descriptors, typed. Source: the OCI image specification 1.1; Docker's schema 2 is read alike."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.core.text import shown
from gateway.provenance.oci.errors import MalformedError

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
INDEXES = frozenset((OCI_INDEX, DOCKER_INDEX))
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"

Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Size = Annotated[int, Meta(ge=0)]


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """What a digest is of. ``artifact_type`` and ``annotations`` are the registry's word, no more."""

    media_type: str
    digest: Digest
    size: Size
    artifact_type: str = ""
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """An image manifest, or an index: which of them its own ``media_type`` says."""

    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in INDEXES

    @property
    def kind(self) -> str:
        """Its artifact type, else its config's media type; empty for an index that says neither."""
        if self.artifact_type:
            return self.artifact_type
        return self.config.media_type if self.config is not None else ""


_SCHEMA_VERSION = 2
_decode = msgspec.json.Decoder(Manifest).decode


def parse_manifest(body: bytes, *, content_type: str = "", what: str) -> Manifest:
    """The manifest in ``body``. ``content_type``: of the answer it came in; it must not contradict the body.

    Raises:
        MalformedError: not JSON, another kind of document, or one that is an image and an index at once.
    """
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{what}: not a manifest: {shown(str(error))}") from None
    declared = content_type.partition(";")[0].strip().lower()
    media_type = found.media_type or (declared if declared in MANIFESTS else _guessed(found))
    if found.schema_version != _SCHEMA_VERSION or media_type not in MANIFESTS:
        raise MalformedError(
            f"{what}: not a manifest that is supported ({shown(found.media_type or declared) or 'no type'})"
        )
    if declared in MANIFESTS and declared != media_type:
        raise MalformedError(f"{what}: the registry calls it {declared}, it calls itself {media_type}")
    # One document that two readers take for different things is how signatures are carried over: refused.
    index = media_type in INDEXES
    if index == (found.layers is not None or found.config is not None) or index != (found.manifests is not None):
        raise MalformedError(f"{what}: neither an image manifest nor an index, or both at once")
    return found if found.media_type else msgspec.structs.replace(found, media_type=media_type)


class _Listing(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: Literal[2]
    manifests: tuple[msgspec.Raw, ...]
    media_type: Literal["", "application/vnd.oci.image.index.v1+json"] = ""


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    artifact_type: str | None = None


_decode_listing = msgspec.json.Decoder(_Listing).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode


def parse_listing(body: bytes, *, what: str) -> tuple[Descriptor, ...]:
    """The entries of a list of referrers, each by itself: many people write into it, and one of them hides nobody else's.

    Of an entry, its digest and its artifact type are looked at; the digest may be of a kind that cannot be read. What has
    none is left out.

    Raises:
        MalformedError: it is no list.
    """
    try:
        listing = _decode_listing(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"{what}: not a list: {shown(str(error))}") from None
    found: list[Descriptor] = []
    for raw in listing.manifests:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            entry = _decode_entry(raw)
            found.append(Descriptor(OCI_MANIFEST, entry.digest, 0, entry.artifact_type or ""))
    return tuple(found)


class _Tags(msgspec.Struct, frozen=True):
    tags: tuple[str, ...] | None
    """A repository without any may say null."""


_decode_tags = msgspec.json.Decoder(_Tags).decode


def parse_tags(body: bytes, *, what: str) -> tuple[str, ...]:
    """One page of a list of tags.

    Raises:
        MalformedError: it is none.
    """
    try:
        return _decode_tags(body).tags or ()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"{what}: not a list: {shown(str(error))}") from None


def _guessed(found: Manifest) -> str:
    return OCI_INDEX if found.manifests is not None else OCI_MANIFEST
