"""What may be signatures of an artifact: found, read, and judged by nobody here.

In two rounds: what refers to the artifact, and cosign's older tags. All formats that a policy accepts are looked at, and
what one round finds never hides what the other one would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import NamedTuple

from gateway.provenance.evidence import Candidate, Format, Rejected, Step
from gateway.provenance.oci.errors import BudgetError, MalformedError, NotFoundError, RegistryError, TooLargeError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import Descriptor
from gateway.provenance.oci.source import Found, Source, blob_bytes

BUNDLE = "application/vnd.dev.sigstore.bundle"
NOTATION = "application/vnd.cncf.notary.signature"
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_DSSE = "application/vnd.dsse.envelope.v1+json"
_JWS = "application/jose+json"
_TAGS: tuple[tuple[Format, str, str], ...] = (
    ("cosign-legacy", ".sig", _SIMPLE_SIGNING),
    ("cosign-legacy-attestation", ".att", _DSSE),
)
_REFERRING: frozenset[Format] = frozenset(("sigstore-bundle", "notation-jws"))
_TAGGED: frozenset[Format] = frozenset(("cosign-legacy", "cosign-legacy-attestation"))
_SILENT = frozenset(("application/vnd.oci.image.config.v1+json", "application/vnd.oci.empty.v1+json", ""))
"""What a list says about a thing that has no artifact type of its own."""


class Round(NamedTuple):
    """What one round of looking found: candidates, and what is none because it can never be read."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]


class Looker:
    """Looks for the candidates of one artifact."""

    def __init__(self, source: Source, digest: str, formats: Collection[Format], limits: Limits) -> None:
        self._source = source
        self._digest = digest
        self._formats = frozenset(formats)
        self._limits = limits
        self._candidates: list[Candidate] = []
        self._rejected: list[Rejected] = []

    async def rounds(self) -> AsyncIterator[Round]:
        """Round by round: whoever has enough need not ask for the next.

        Raises:
            RegistryError: something could not be read that may be a signature: that is never "unsigned".
        """
        if _REFERRING & self._formats:
            await self._look_at_referrers()
            yield self._round()
        if _TAGGED & self._formats:
            for name, suffix, media_type in _TAGS:
                if name in self._formats:
                    await self._look_at_tag(name, suffix, media_type)
            yield self._round()

    def _round(self) -> Round:
        found = Round(tuple(self._candidates), tuple(self._rejected))
        self._candidates, self._rejected = [], []
        return found

    async def _look_at_referrers(self) -> None:
        listed = [one for one in await self._source.referrers(self._digest) if self._may_be(one.artifact_type)]
        self._count(len(listed), "referrers that may be signatures")
        for one in listed:
            format_ = _format_of(one.artifact_type) or "sigstore-bundle"
            found = await self._manifest(one.digest, format_)
            if found is not None:
                for layer in (found.manifest.layers or ())[: self._limits.candidates]:
                    await self._read_referring(found, layer)

    async def _read_referring(self, found: Found, layer: Descriptor) -> None:
        """The listing was a hint: what counts is what the manifest says."""
        manifest = found.manifest
        if "sigstore-bundle" in self._formats and layer.media_type.startswith(BUNDLE):
            await self._read("sigstore-bundle", found, layer)
        elif "notation-jws" in self._formats and layer.media_type == _JWS:
            kinds = {manifest.artifact_type, manifest.config.media_type if manifest.config is not None else ""}
            if NOTATION in kinds:
                await self._read("notation-jws", found, layer)

    async def _look_at_tag(self, name: Format, suffix: str, media_type: str) -> None:
        tag = self._digest.replace(":", "-") + suffix
        try:
            found = await self._source.manifest(tag)
        except NotFoundError:
            return
        layers = [layer for layer in found.manifest.layers or () if layer.media_type == media_type]
        self._count(len(layers), f"layers of {tag}")
        for layer in layers:
            await self._read(name, found, layer)

    async def _manifest(self, digest: str, format_: Format) -> Found | None:
        try:
            return await self._source.manifest(digest)
        except BudgetError:
            raise
        except (MalformedError, NotFoundError, TooLargeError) as error:
            self._reject(format_, digest, error)
            return None

    async def _read(self, format_: Format, found: Found, layer: Descriptor) -> None:
        self._count(len(self._candidates) + 1, "candidates")
        what = f"layer {layer.digest}"
        try:
            payload = await blob_bytes(self._source, layer, limit=self._limits.signature_bytes, what=what)
        except BudgetError:
            raise
        except (MalformedError, NotFoundError, TooLargeError) as error:
            self._reject(format_, found.digest, error)
            return
        annotations = layer.annotations or {}
        self._candidates.append(
            Candidate(format_, payload, annotations=annotations, media_type=layer.media_type, source=found.digest)
        )

    def _reject(self, format_: Format, digest: str, error: RegistryError) -> None:
        step: Step = "size" if isinstance(error, TooLargeError) else "format"
        remedy = "remove it from the registry, or sign again"
        self._rejected.append(Rejected(format_, digest, step, str(error), remedy))

    def _may_be(self, artifact_type: str) -> bool:
        """Whether a listed thing is worth a look: a listing without a type says nothing."""
        return artifact_type in _SILENT or _format_of(artifact_type) in self._formats

    def _count(self, count: int, what: str) -> None:
        if count > self._limits.candidates:
            raise TooLargeError(f"{self._digest}: {count} {what}, more than {self._limits.candidates}")


def _format_of(artifact_type: str) -> Format | None:
    if artifact_type.startswith(BUNDLE):
        return "sigstore-bundle"
    return "notation-jws" if artifact_type == NOTATION else None
