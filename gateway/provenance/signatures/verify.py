"""Candidates in, evidence out. Pure: no I/O, no clock; and one bad candidate never hides a good one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.text import shown
from gateway.provenance.evidence import Artifact, Authority, Candidate, Evidence, Format, Rejected, Signed
from gateway.provenance.signatures import bundle, legacy, notation_cose, notation_jws
from gateway.provenance.signatures.authorities import Trusted, trusted
from gateway.provenance.signatures.decoding import RESIGN, check_size
from gateway.provenance.signatures.keyed import verify_keyed
from gateway.provenance.signatures.keyless import verify_keyless
from gateway.provenance.signatures.material import Claim, Material, Question
from gateway.provenance.signatures.notation import Notation, verify_notation
from gateway.provenance.signatures.refusal import RefusedError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class _Kind(msgspec.Struct, frozen=True):
    """A format: the media types of its layers, and how one is read."""

    media_types: tuple[str, ...]
    read: Callable[[Candidate, Artifact], Material | Notation]


_KINDS: dict[Format, _Kind] = {
    "cosign-legacy": _Kind((legacy.SIMPLE_SIGNING,), legacy.read_signature),
    "cosign-legacy-attestation": _Kind((legacy.DSSE,), legacy.read_attestation),
    "sigstore-bundle": _Kind(bundle.MEDIA_TYPES, bundle.read_bundle),
    "notation-jws": _Kind((notation_jws.MEDIA_TYPE,), notation_jws.read_jws),
    "notation-cose": _Kind((notation_cose.MEDIA_TYPE,), notation_cose.read_cose),
}


def verify_candidates(
    artifact: Artifact,
    candidates: Sequence[Candidate],
    authorities: Sequence[Authority],
    now: datetime,
    *,
    content: bytes | None = None,
) -> Evidence:
    """Judge every candidate by every authority.

    ``now`` is aware. ``content`` is the artifact itself, where it is at hand: for signatures of a blob by keys that need
    more than its digest.

    Raises:
        ConfigError: an authority cannot be used.
        UndecidedError: the artifact's digest is none, ``content`` is something else, or ``now`` has no time zone.
    """
    if _DIGEST.fullmatch(artifact.digest) is None:
        raise UndecidedError(f"{shown(artifact.digest)} is not a digest (sha256:… or sha512:…)")
    if now.tzinfo is None:
        raise UndecidedError("the time of the question has no time zone")
    algorithm, _, value = artifact.digest.partition(":")
    if content is not None and hashlib.new(algorithm, content).hexdigest() != value:
        raise UndecidedError(f"the content at hand is not that of {artifact.digest}")
    question = Question(artifact, now, content)
    ready = [trusted(authority) for authority in authorities]
    found = [item for candidate in candidates for item in _judge(candidate, question, ready)]
    return Evidence(
        artifact,
        tuple(item for item in found if isinstance(item, Signed)),
        tuple(item for item in found if isinstance(item, Rejected)),
    )


def prepare(authorities: Sequence[Authority]) -> None:
    """Read the authorities' settings, and import what they need; so that the first verification is as fast as any.

    Raises:
        ConfigError: an authority cannot be used.
    """
    if any(trusted(authority).matchers for authority in authorities):
        import gateway.provenance.signatures.sigstore_python  # noqa: F401, PLC0415 - heavy, and only these need it


def _judge(candidate: Candidate, question: Question, authorities: Sequence[Trusted]) -> Iterator[Signed | Rejected]:
    try:
        material = _read(candidate, question.artifact)
    except Exception as error:  # noqa: BLE001 - a bug of ours may not hide the other candidates
        yield _rejected(candidate, error)
        return
    for authority in authorities:
        if candidate.format not in authority.settings.formats:
            continue
        try:
            yield _verify(material, candidate, question, authority)
        except Exception as error:  # noqa: BLE001 - as above
            yield _rejected(candidate, error, authority.settings.name)


def _read(candidate: Candidate, artifact: Artifact) -> Material | Notation:
    check_size(candidate.payload, "the candidate")
    kind = _KINDS.get(candidate.format)
    if kind is None:
        raise RefusedError("format", f"{shown(str(candidate.format))} is no format that is known here", RESIGN)
    if candidate.media_type and candidate.media_type not in kind.media_types:
        found = shown(candidate.media_type)
        raise RefusedError("media-type", f"{found} is no layer of the format {candidate.format}", RESIGN)
    return kind.read(candidate, artifact)


def _verify(material: Material | Notation, candidate: Candidate, question: Question, authority: Trusted) -> Signed:
    if isinstance(material, Notation):
        signer, proofs = verify_notation(material, authority, question.now)
    elif material.certificate:
        signer, proofs = verify_keyless(material, question, authority)
    else:
        signer, proofs = verify_keyed(material, question, authority)
    claim: Claim = material.claim
    return Signed(
        authority=authority.settings.name,
        format=candidate.format,
        signer=signer,
        time=proofs.time,
        level=proofs.level,
        log=proofs.log,
        predicate_type=claim.predicate_type,
        predicate=claim.predicate,
        statement=claim.digest,
        source=candidate.source,
        annotations=claim.annotations,
        valid_until=proofs.valid_until,
    )


def _rejected(candidate: Candidate, error: Exception, authority: str = "") -> Rejected:
    if not isinstance(error, RefusedError):
        reason = f"internal error: {type(error).__name__} (please report it, with the signature)"
        error = RefusedError("format", reason, RESIGN)
    return Rejected(candidate.format, candidate.source, error.step, error.reason, error.remedy, authority)
