"""What may be signatures of an artifact: found, read, and judged by nobody here.

In rounds: the first of what refers to the artifact, cosign's older tags, then the rest of what refers to it, more in each
round. All formats that a policy accepts are looked at, and what one round finds never hides what another one would: an
entry of no use is told, and that there is more than govgate reads is an error only once what it reads was judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from gateway.core.text import shown
from gateway.provenance.evidence import Candidate, Format, Rejected, Step
from gateway.provenance.oci.errors import (
    BudgetError,
    MalformedError,
    NotFoundError,
    RegistryError,
    TooLargeError,
    UnfinishedListError,
)
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import Descriptor
from gateway.provenance.oci.reference import is_digest
from gateway.provenance.oci.source import Found, Source, blob_bytes

BUNDLE = "application/vnd.dev.sigstore.bundle"
NOTATION = "application/vnd.cncf.notary.signature"
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_DSSE = "application/vnd.dsse.envelope.v1+json"
NOTATION_FORMATS: dict[str, Format] = {"application/jose+json": "notation-jws", "application/cose": "notation-cose"}
"""By the media type of the layer."""
_TAGS: tuple[tuple[Format, str, str], ...] = (
    ("cosign-legacy", ".sig", _SIMPLE_SIGNING),
    ("cosign-legacy-attestation", ".att", _DSSE),
)
_REFERRING: frozenset[Format] = frozenset(("sigstore-bundle", *NOTATION_FORMATS.values()))
_TAGGED: frozenset[Format] = frozenset(("cosign-legacy", "cosign-legacy-attestation"))
_SILENT = frozenset(("application/vnd.oci.image.config.v1+json", "application/vnd.oci.empty.v1+json", ""))
"""What a list says about a thing that has no artifact type of its own."""


_UNREADABLE = (MalformedError, NotFoundError, TooLargeError)
"""What one candidate may be without the others being worth less: it can never be read, whoever asks."""

T = TypeVar("T")


class Round(NamedTuple):
    """What one round of looking found: candidates, and what is none because it can never be read."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]


class Looker:
    """Looks for the candidates of one artifact, several at a time."""

    def __init__(self, source: Source, digest: str, formats: Collection[Format], limits: Limits) -> None:
        self._source = source
        self._digest = digest
        self._formats = frozenset(formats)
        self._limits = limits
        self._left = ""
        self._bytes = 0

    async def rounds(self) -> AsyncIterator[Round]:
        """Round by round: whoever has enough need not ask for the next.

        Raises:
            RegistryError: something could not be read that may be a signature: that is never "unsigned".
        """
        listed = await self._listed() if _REFERRING & self._formats else []
        at, count = 0, self._limits.at_a_time
        if _REFERRING & self._formats:
            yield await self._referrers(listed[:count])
            at, count = count, count * 2
        if _TAGGED & self._formats:
            tags = [self._tag(*tag) for tag in _TAGS if tag[0] in self._formats]
            yield _joined([found for each in await self._together(tags) for found in each])
        while at < len(listed):
            yield await self._referrers(listed[at : at + count])
            at, count = at + count, count * 2
        if self._left:
            raise TooLargeError(f"{self._digest}: {self._left}")

    async def _listed(self) -> list[Descriptor]:
        """What is listed and may be a signature, each once; first what is said to be one."""
        try:
            entries = await self._source.referrers(self._digest)
        except UnfinishedListError as error:
            entries, self._left = error.found, str(error)
        found = {one.digest: one for one in entries if self._may_be(one.artifact_type)}
        listed = sorted(found.values(), key=lambda one: one.artifact_type in _SILENT)
        return self._first(listed, "referrers that may be signatures")

    async def _referrers(self, listed: Sequence[Descriptor]) -> Round:
        found = await self._together([self._referrer(one) for one in listed])
        return _joined([one for each in found for one in each])

    async def _referrer(self, listed: Descriptor) -> list[Round]:
        """The listing was a hint: what counts is what the manifest says."""
        format_: Format = next((one for one in _formats_of(listed.artifact_type)), "sigstore-bundle")
        if not is_digest(listed.digest):
            return [
                _rejected(format_, shown(listed.digest), MalformedError("not listed by a digest that is supported"))
            ]
        try:
            found = await self._source.manifest(listed.digest)
        except BudgetError:
            raise
        except _UNREADABLE as error:
            return [_rejected(format_, listed.digest, error)]
        kinds = {found.manifest.artifact_type, found.manifest.config.media_type if found.manifest.config else ""}
        layers = [layer for layer in found.manifest.layers or () if self._format(layer, kinds)]
        return [
            await self._read(self._format(layer, kinds) or format_, found, layer)
            for layer in self._first(layers, f"layers of {listed.digest}")
        ]

    async def _tag(self, name: Format, suffix: str, media_type: str) -> list[Round]:
        tag = self._digest.replace(":", "-") + suffix
        try:
            found = await self._source.manifest(tag)
        except NotFoundError:
            return []
        except BudgetError:
            raise
        except _UNREADABLE as error:
            return [_rejected(name, tag, error)]
        layers = [layer for layer in found.manifest.layers or () if layer.media_type == media_type]
        return await self._together(
            [self._read(name, found, layer) for layer in self._first(layers, f"layers of {tag}")]
        )

    async def _read(self, format_: Format, found: Found, layer: Descriptor) -> Round:
        what = f"layer {layer.digest}"
        size = min(layer.size, self._limits.signature_bytes)
        if self._bytes + size > self._limits.candidates_bytes:
            self._left = f"signatures of more than {self._limits.candidates_bytes} bytes together"
            return Round((), ())
        self._bytes += size
        try:
            payload = await blob_bytes(self._source, layer, limit=self._limits.signature_bytes, what=what)
        except BudgetError:
            raise
        except _UNREADABLE as error:
            return _rejected(format_, found.digest, error)
        annotations = layer.annotations or {}
        one = Candidate(format_, payload, annotations=annotations, media_type=layer.media_type, source=found.digest)
        return Round((one,), ())

    async def _together(self, calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """What the calls answer, in their order; if one fails, the others are given up."""
        room = asyncio.Semaphore(self._limits.at_a_time)

        async def one(call: Coroutine[Any, Any, T]) -> T:
            async with room:
                return await call

        tasks = [asyncio.create_task(one(call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for call in calls:
                call.close()

    def _may_be(self, artifact_type: str) -> bool:
        """Whether a listed thing is worth a look: a listing without a type says nothing."""
        return artifact_type in _SILENT or not self._formats.isdisjoint(_formats_of(artifact_type))

    def _format(self, layer: Descriptor, kinds: Collection[str]) -> Format | None:
        """What a layer of a manifest of these kinds is, if that is looked for."""
        if "sigstore-bundle" in self._formats and layer.media_type.startswith(BUNDLE):
            return "sigstore-bundle"
        found = NOTATION_FORMATS.get(layer.media_type) if NOTATION in kinds else None
        return found if found in self._formats else None

    def _first(self, found: list[Descriptor], what: str) -> list[Descriptor]:
        """As many as are read; that there are more is remembered."""
        if len(found) > self._limits.candidates:
            self._left = f"{len(found)} {what}, more than {self._limits.candidates}"
        return found[: self._limits.candidates]


def _joined(rounds: Sequence[Round]) -> Round:
    return Round(
        tuple(one for found in rounds for one in found.candidates),
        tuple(one for found in rounds for one in found.rejected),
    )


def _rejected(format_: Format, digest: str, error: RegistryError) -> Round:
    step: Step = "size" if isinstance(error, TooLargeError) else "format"
    return Round((), (Rejected(format_, digest, step, str(error), "remove it from the registry, or sign again"),))


def _formats_of(artifact_type: str) -> tuple[Format, ...]:
    """What a thing that is listed with this type may be."""
    if artifact_type.startswith(BUNDLE):
        return ("sigstore-bundle",)
    return tuple(NOTATION_FORMATS.values()) if artifact_type == NOTATION else ()
