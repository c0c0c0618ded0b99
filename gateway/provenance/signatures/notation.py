"""Notation's signatures, whatever their envelope: who signed, when, and under which trust anchor.

Source: notaryproject/specifications, signature-specification.md, signing-scheme.md and trust-store-trust-policy.md (v1.1).
Whether a certificate was revoked is not asked: that would take a network. ``notation_jws`` and ``notation_cose`` read the
envelopes, ``notation_attributes`` what both sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from cryptography import x509

from gateway.core.canonical import sha256_digest
from gateway.core.text import shown
from gateway.provenance.evidence import Artifact, Signer
from gateway.provenance.signatures.authorities import Trusted
from gateway.provenance.signatures.decoding import RESIGN, read_json
from gateway.provenance.signatures.material import Claim
from gateway.provenance.signatures.notation_algorithms import algorithm_of, made_by_key
from gateway.provenance.signatures.notation_attributes import Attributes
from gateway.provenance.signatures.proofs import Proofs, check_present
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.statement import refuse_subject, strings
from gateway.provenance.signatures.timestamps import verify_token
from gateway.provenance.signatures.x509chain import check_chain


class _Target(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, Any] | None = None


class _Payload(msgspec.Struct, rename="camel"):
    target_artifact: _Target


class Notation(msgspec.Struct, frozen=True):
    """An envelope about the artifact, nothing of it verified. ``stamp``: a TimeStampToken over the signature, or b""."""

    attributes: Attributes
    claim: Claim
    signed: bytes
    signature: bytes
    chain: tuple[x509.Certificate, ...]
    stamp: bytes = b""


def bound_claim(payload: bytes, artifact: Artifact) -> Claim:
    """What the payload says, if it is about the artifact: its digest, its media type and its size.

    Raises:
        RefusedError: malformed, or about another artifact.
    """
    target = read_json(payload, _Payload, "the payload").target_artifact
    if target.digest != artifact.digest:
        raise refuse_subject(target.digest, artifact)
    if (target.media_type, target.size) != (artifact.media_type, artifact.size):
        reason = f"it is about a {shown(target.media_type)} of {target.size} bytes"
        reason += f", not about a {artifact.media_type} of {artifact.size} bytes"
        raise RefusedError("subject", reason, RESIGN)
    return Claim(digest=sha256_digest(payload), annotations=strings(target.annotations))


def verify_notation(notation: Notation, trusted: Trusted, now: datetime) -> tuple[Signer, Proofs]:
    """Who signed: the leaf's distinguished name, under which anchor; what proves when, and until when it holds.

    Raises:
        RefusedError: the chain does not lead to an anchor of the authority, or the signature, or its time stamp, is wrong
            or expired; or the authority demands a log.
    """
    anchors = _anchors(notation, trusted)
    leaf, attributes = notation.chain[0], notation.attributes
    name = leaf.subject.rfc4514_string()
    subjects = trusted.settings.notation_subjects
    if subjects and name not in subjects:
        reason = f"the certificate is of {shown(name)}, who is not among the trusted subjects"
        raise RefusedError("identity", reason, "sign with a trusted certificate, or add this subject")
    if algorithm_of(leaf) != attributes.algorithm:
        reason = f"the algorithm {shown(attributes.algorithm)} does not fit the certificate's key"
        raise RefusedError("algorithm", reason, RESIGN)
    if not made_by_key(leaf, notation.signature, notation.signed):
        raise RefusedError("signature", "the signature was not made by the certificate's key", RESIGN)
    proofs, times = _prove(notation, trusted, now)
    anchor = check_chain(notation.chain, anchors, times)
    if attributes.expiry is not None and now >= attributes.expiry:
        raise RefusedError("critical-header", f"the signature expired at {attributes.expiry.isoformat()}", "sign again")
    if trusted.settings.levels.require_log:
        reason = "it is a Notation signature, which no transparency log has, and a log entry is demanded (requireLog)"
        raise RefusedError("level", reason, "sign with cosign; or trust the anchors by an authority without requireLog")
    return Signer(identity=name, issuer=anchor.subject.rfc4514_string()), proofs


def _anchors(notation: Notation, trusted: Trusted) -> Sequence[x509.Certificate]:
    """Who may issue for this scheme: whoever is trusted to issue certificates is not trusted to tell the time."""
    scheme = notation.attributes.scheme
    if scheme == "notary.x509":
        anchors, field = trusted.anchors, "notation"
    else:
        anchors, field = trusted.signing_authorities, "notation.signingAuthority"
    if not anchors:
        reason = f"it is a Notation signature by the scheme {scheme}, and no trust anchors for those are given"
        raise RefusedError(
            "certificate", reason, f"add the signer's root certificate as a Notation trust anchor ({field})"
        )
    return anchors


def _prove(notation: Notation, trusted: Trusted, now: datetime) -> tuple[Proofs, tuple[datetime, ...]]:
    """What proves when it was signed; and the times at which its certificates have to be valid: now, if nothing does."""
    attributes = notation.attributes
    expiry = () if attributes.expiry is None else (attributes.expiry,)
    times: tuple[datetime, ...]
    if attributes.scheme == "notary.x509.signingAuthority":
        times = (attributes.time,)
        proofs = Proofs("authority", times, ends=expiry)
    elif notation.stamp and trusted.timestamp_authorities:
        stamped = verify_token(notation.stamp, notation.signature, trusted.timestamp_authorities)
        times = (stamped.earliest, stamped.latest)
        proofs = Proofs("tsa", (stamped.time,), ends=expiry)
    elif trusted.settings.notation_require_timestamp:
        raise RefusedError(
            "level", "it has no time stamp, and one is demanded (notation.requireTimestamp)", "sign with one"
        )
    else:
        ends = (certificate.not_valid_after_utc for certificate in notation.chain)
        return Proofs("none", ends=(*expiry, *ends)), (now,)
    check_present(max(times), now)
    return proofs, times
