"""Notation's signatures: a JWS envelope in an artifact that refers to the signed one.

Source: notaryproject/specifications, signature-envelope-jws.md and signature-specification.md (v1.1). Accepted is the
signing scheme ``notary.x509``. Its signing time is the signer's own word and proves nothing, so certificates must be
valid now. Plug-ins are not run: a signature that demands one is refused, as the specification asks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from cryptography import x509

from gateway.core.canonical import sha256_digest
from gateway.core.text import shown
from gateway.provenance.evidence import Artifact, Candidate, Signer
from gateway.provenance.signatures.authorities import Trusted
from gateway.provenance.signatures.decoding import RESIGN, read_base64, read_base64url, read_json
from gateway.provenance.signatures.jws import jws_algorithm, jws_verifies
from gateway.provenance.signatures.material import Claim
from gateway.provenance.signatures.proofs import Proofs
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.statement import refuse_subject, strings
from gateway.provenance.signatures.x509chain import check_chain, load_chain

MEDIA_TYPE = "application/jose+json"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
_PREFIX = "io.cncf.notary."
_SCHEME = _PREFIX + "signingScheme"
_EXPIRY = _PREFIX + "expiry"
_TIME = _PREFIX + "signingTime"
_REGISTERED = ("alg", "cty", "crit")


class _Header(msgspec.Struct):
    x5c: tuple[str, ...]


class _Jws(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    protected: str
    header: _Header
    signature: str


class _Target(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, Any] | None = None


class _Payload(msgspec.Struct, rename="camel"):
    target_artifact: _Target


class Notation(msgspec.Struct, frozen=True):
    """An envelope about the artifact, its signature not verified. ``expiry`` is the signer's."""

    algorithm: str
    signed: bytes
    signature: bytes
    chain: tuple[x509.Certificate, ...]
    claim: Claim
    expiry: datetime | None


def read_notation(candidate: Candidate, artifact: Artifact) -> Notation:
    """An envelope of the specification's form, about the artifact: its digest, media type and size.

    Raises:
        RefusedError: malformed, of an unknown scheme or algorithm, or about another artifact.
    """
    jws = read_json(candidate.payload, _Jws, "the JWS envelope")
    protected = read_json(read_base64url(jws.protected, "the protected header"), dict[str, Any], "the protected header")
    expiry = _check_protected(protected)
    payload = read_base64url(jws.payload, "the payload")
    target = read_json(payload, _Payload, "the payload").target_artifact
    if target.digest != artifact.digest:
        raise refuse_subject(target.digest, artifact)
    if (target.media_type, target.size) != (artifact.media_type, artifact.size):
        reason = f"it is about a {shown(target.media_type)} of {target.size} bytes"
        reason += f", not about a {artifact.media_type} of {artifact.size} bytes"
        raise RefusedError("subject", reason, RESIGN)
    chain = load_chain([read_base64(item, "a certificate of the chain") for item in jws.header.x5c])
    return Notation(
        algorithm=protected["alg"],
        signed=f"{jws.protected}.{jws.payload}".encode(),
        signature=read_base64url(jws.signature, "the signature"),
        chain=chain,
        claim=Claim(digest=sha256_digest(payload), annotations=strings(target.annotations)),
        expiry=expiry,
    )


def verify_notation(notation: Notation, trusted: Trusted, now: datetime) -> tuple[Signer, Proofs]:
    """Who signed: the leaf's distinguished name, under which anchor; with nothing proven, and when that ends.

    Raises:
        RefusedError: the chain does not lead to an anchor of the authority, or the signature is wrong or expired; or
            the authority demands a log.
    """
    if not trusted.anchors:
        reason = "it is a Notation signature, and no trust anchors for those are given"
        raise RefusedError("certificate", reason, "add the signer's root certificate as a Notation trust anchor")
    leaf = notation.chain[0]
    name = leaf.subject.rfc4514_string()
    subjects = trusted.settings.notation_subjects
    if subjects and name not in subjects:
        reason = f"the certificate is of {shown(name)}, who is not among the trusted subjects"
        raise RefusedError("identity", reason, "sign with a trusted certificate, or add this subject")
    if jws_algorithm(leaf) != notation.algorithm:
        reason = f"the algorithm {shown(notation.algorithm)} does not fit the certificate's key"
        raise RefusedError("algorithm", reason, RESIGN)
    if not jws_verifies(leaf, notation.signature, notation.signed):
        raise RefusedError("signature", "the signature was not made by the certificate's key", RESIGN)
    anchor = check_chain(notation.chain, trusted.anchors, now)
    if notation.expiry is not None and now >= notation.expiry:
        raise RefusedError("critical-header", f"the signature expired at {notation.expiry.isoformat()}", "sign again")
    if trusted.settings.levels.require_log:
        reason = "it is a Notation signature, which no transparency log has, and a log entry is demanded (requireLog)"
        raise RefusedError("level", reason, "sign with cosign; or trust the anchors by an authority without requireLog")
    ends = (certificate.not_valid_after_utc for certificate in notation.chain)
    proofs = Proofs("none").ending(notation.expiry, *ends)
    return Signer(identity=name, issuer=anchor.subject.rfc4514_string()), proofs


def _check_protected(header: dict[str, Any]) -> datetime | None:
    """The expiry, if there is one."""
    critical = header.get("crit")
    if not isinstance(critical, list) or _SCHEME not in critical:
        raise RefusedError("critical-header", f"crit does not name {_SCHEME}", RESIGN)
    unknown = [name for name in critical if name not in (_SCHEME, _EXPIRY)]
    if unknown:
        remedy = "sign without plug-ins and extensions; what is critical and unknown cannot be passed over"
        raise RefusedError("critical-header", f"crit names {shown(str(unknown[0]))}, which is not known here", remedy)
    if header.get("cty") != PAYLOAD_TYPE:
        found = shown(str(header.get("cty")))
        raise RefusedError("payload-type", f"the payload is a {found}, not {PAYLOAD_TYPE}", RESIGN)
    if header.get(_SCHEME) != "notary.x509":
        found = shown(str(header.get(_SCHEME)))
        raise RefusedError("critical-header", f"the signing scheme is {found}", "sign with the scheme notary.x509")
    for name in header:
        if name not in (*_REGISTERED, _SCHEME, _EXPIRY, _TIME):
            raise RefusedError("critical-header", f"{shown(name)} is no header of this scheme", RESIGN)
    if not isinstance(header.get("alg"), str):
        raise RefusedError("algorithm", "the protected header does not name the algorithm (alg)", RESIGN)
    if (_EXPIRY in header) != (_EXPIRY in critical):
        raise RefusedError("critical-header", f"{_EXPIRY} is not both there and critical", RESIGN)
    if _TIME not in header:
        raise RefusedError("critical-header", f"{_TIME} is missing", RESIGN)
    _time(header[_TIME], _TIME)
    return _time(header[_EXPIRY], _EXPIRY) if _EXPIRY in header else None


def _time(value: Any, name: str) -> datetime:
    try:
        time = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        time = None
    if time is None or time.tzinfo is None:
        raise RefusedError("critical-header", f"{name} is no time of RFC 3339", RESIGN)
    return time
