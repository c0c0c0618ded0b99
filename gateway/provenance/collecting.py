"""From an artifact to evidence: candidates looked for round by round, verified, until a policy has enough or all was seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from gateway.core.canonical import sha256_digest
from gateway.provenance.evidence import Artifact, Authority, Candidate, Evidence, Format, Rejected, Signed
from gateway.provenance.oci.candidates import NOTATION_FORMATS, Looker
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import parse_manifest
from gateway.provenance.oci.source import Found, Source, check_digest
from gateway.provenance.trust.reading import Trust


class Collected(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that was found about an artifact, as bytes: enough to verify it again, elsewhere and offline.

    ``unreadable``: what is listed as a signature and can never be read. ``complete``: all formats that the policy accepts
    were looked at; else the policy had enough before. ``manifest``: the artifact's own, where it had to be read.
    """

    artifact: Artifact
    candidates: tuple[Candidate, ...] = ()
    unreadable: tuple[Rejected, ...] = ()
    complete: bool = False
    manifest: bytes = b""

    def proven(self) -> Collected:
        """The same with what the bytes prove of the artifact: its type is what its manifest says, or not known.

        Raises:
            MalformedError: the manifest is none, or another artifact's.
        """
        digest = self.artifact.digest
        if not self.manifest:
            return msgspec.structs.replace(self, artifact=Artifact(digest))
        what = f"manifest {digest}"
        check_digest(sha256_digest(self.manifest), digest, what)
        found = Found(digest, self.manifest, parse_manifest(self.manifest, what=what))
        return msgspec.structs.replace(self, artifact=_artifact(digest, found))

    def evidence(self, authorities: tuple[Authority, ...], now: datetime) -> Evidence:
        """The evidence, by these authorities; verified from the bytes.

        Raises:
            ConfigError: an authority cannot be used.
        """
        from gateway.provenance.signatures import verify_candidates  # noqa: PLC0415 - 12 MiB that only signatures need

        found = verify_candidates(self.artifact, self.candidates, authorities, now)
        return msgspec.structs.replace(found, rejected=(*found.rejected, *self.unreadable), complete=self.whole)

    @property
    def whole(self) -> bool:
        """Whether everything that is listed was looked at, and could be read."""
        return self.complete and not self.unreadable


class Growing:
    """Evidence by some authorities that grows with what is collected: each candidate is verified once."""

    def __init__(self, authorities: tuple[Authority, ...], now: datetime) -> None:
        self._authorities = authorities
        self._now = now
        self._seen = 0
        self._signed: tuple[Signed, ...] = ()
        self._rejected: tuple[Rejected, ...] = ()

    def of(self, collected: Collected) -> Evidence:
        """The evidence; ``collected`` begins with what it had the last time.

        Raises:
            ConfigError: an authority cannot be used.
        """
        # What is verified of a candidate needs no more of the artifact than what was known when it was found.
        new = msgspec.structs.replace(collected, candidates=collected.candidates[self._seen :], unreadable=())
        found = new.evidence(self._authorities, self._now)
        self._seen = len(collected.candidates)
        self._signed += found.signed
        self._rejected += found.rejected
        rejected = (*self._rejected, *collected.unreadable)
        return Evidence(collected.artifact, self._signed, rejected, complete=collected.whole)


class Wanted(msgspec.Struct, frozen=True):
    """What policies want to know: which formats they accept, and whether the artifact's own type matters."""

    formats: frozenset[Format]
    types: bool

    @classmethod
    def by(cls, policies: Sequence[Trust]) -> Wanted:
        """What these policies want, all together."""
        formats = frozenset(name for trust in policies for name in trust.policy.formats)
        return cls(formats, any(trust.policy.artifact_types for trust in policies))


Enough = Callable[[Collected], Awaitable[bool]]
"""Whether the policies are satisfied by what was found so far."""


async def collect(
    source: Source, digest: str, wanted: Wanted, *, limits: Limits, enough: Enough, found: Found | None = None
) -> Collected:
    """Look until there is enough, or everything was seen. ``found``: the artifact's manifest, if it was read already.

    More evidence never takes anything from a policy's satisfaction: that is why it is safe to stop. A policy that must know
    all of it is not satisfied before there is no more.

    Raises:
        RegistryError: something could not be read.
    """
    if wanted.types and found is None:
        found = await source.manifest(digest)
    collected = Collected(_artifact(digest, found), manifest=found.body if found is not None else b"")
    async for more in Looker(source, digest, wanted.formats, limits).rounds():
        if found is None and any(one.format in NOTATION_FORMATS.values() for one in more.candidates):
            found = await source.manifest(digest)  # its type and size are part of what Notation signs
        candidates, unreadable = (*collected.candidates, *more.candidates), (*collected.unreadable, *more.rejected)
        manifest = found.body if found is not None else b""
        collected = Collected(_artifact(digest, found), candidates, unreadable, manifest=manifest)
        if await enough(collected):
            return collected
    return msgspec.structs.replace(collected, complete=True)


def _artifact(digest: str, found: Found | None) -> Artifact:
    if found is None:
        return Artifact(digest)
    return Artifact(digest, found.manifest.media_type, found.manifest.kind, len(found.body))
