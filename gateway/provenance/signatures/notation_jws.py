"""Notation's envelopes in JWS. Source: notaryproject/specifications, signature-envelope-jws.md; RFC 7515."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from gateway.provenance.evidence import Artifact, Candidate
from gateway.provenance.signatures.decoding import RESIGN, read_base64, read_base64url, read_json
from gateway.provenance.signatures.notation import Notation, bound_claim
from gateway.provenance.signatures.notation_attributes import PREFIX, Protected, read_attributes
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.x509chain import load_chain

MEDIA_TYPE = "application/jose+json"
_REGISTERED = ("alg", "cty", "crit")


class _Header(msgspec.Struct):
    x5c: tuple[str, ...]
    stamp: str = msgspec.field(default="", name=f"{PREFIX}timestampSignature")


class _Jws(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    protected: str
    header: _Header
    signature: str


def read_jws(candidate: Candidate, artifact: Artifact) -> Notation:
    """An envelope of the specification's form, about the artifact: its digest, media type and size.

    Raises:
        RefusedError: malformed, of an unknown scheme or algorithm, or about another artifact.
    """
    jws = read_json(candidate.payload, _Jws, "the JWS envelope")
    header = read_json(read_base64url(jws.protected, "the protected header"), dict[str, Any], "the protected header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise RefusedError("algorithm", "the protected header does not name the algorithm (alg)", RESIGN)
    named = {name: value for name, value in header.items() if name not in _REGISTERED}
    attributes = read_attributes(Protected(algorithm, header.get("crit"), header.get("cty"), named, _read_time))
    payload = read_base64url(jws.payload, "the payload")
    return Notation(
        attributes=attributes,
        claim=bound_claim(payload, artifact),
        signed=f"{jws.protected}.{jws.payload}".encode(),
        signature=read_base64url(jws.signature, "the signature"),
        chain=load_chain([read_base64(item, "a certificate of the chain") for item in jws.header.x5c]),
        stamp=read_base64(jws.header.stamp, "the time stamp"),
    )


def _read_time(value: Any) -> datetime | None:
    """RFC 3339."""
    try:
        time = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return time if time.tzinfo is not None else None
