"""Notation's envelopes in COSE: a tagged COSE_Sign1 that holds its payload.

Source: notaryproject/specifications, signature-envelope-cose.md; RFC 9052; RFC 9360 (x5chain). Hash envelopes are refused:
they do not say which artifact they are about.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.core.text import shown
from gateway.provenance.evidence import Artifact, Candidate
from gateway.provenance.signatures.cbor import Tagged, read_cbor, write_cbor
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.notation import Notation, bound_claim
from gateway.provenance.signatures.notation_attributes import PREFIX, Protected, read_attributes
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.x509chain import load_chain

MEDIA_TYPE = "application/cose"
_SIGN1 = 18
_EPOCH = 1
_ALGORITHM, _CRITICAL, _CONTENT_TYPE, _CHAIN = 1, 2, 3, 33
_ALGORITHMS = {-7: "ES256", -35: "ES384", -36: "ES512", -37: "PS256", -38: "PS384", -39: "PS512"}
_STAMP = f"{PREFIX}timestampSignature"


def read_cose(candidate: Candidate, artifact: Artifact) -> Notation:
    """An envelope of the specification's form, about the artifact: its digest, media type and size.

    Raises:
        RefusedError: malformed, of an unknown scheme or algorithm, or about another artifact.
    """
    body, unprotected, payload, signature = _parts(read_cbor(candidate.payload, "the COSE envelope"))
    header = read_cbor(body, "the protected header")
    if not isinstance(header, dict):
        raise _malformed("the protected header is no map")
    if header.keys() & unprotected.keys():
        raise _malformed("a header is both protected and not")
    number = header.pop(_ALGORITHM, None)
    algorithm = _ALGORITHMS.get(number) if isinstance(number, int) else None
    if algorithm is None:
        raise RefusedError("algorithm", f"the algorithm (alg) {shown(str(number))} is none of Notation's", RESIGN)
    critical, content_type = header.pop(_CRITICAL, None), header.pop(_CONTENT_TYPE, None)
    chain = unprotected.get(_CHAIN, header.pop(_CHAIN, None))
    if not isinstance(chain, list) or not all(isinstance(one, bytes) for one in chain):
        raise _malformed("x5chain is no list of certificates")
    stamp = unprotected.get(_STAMP, b"")
    if not isinstance(stamp, bytes):
        raise _malformed("the time stamp is no byte string")
    return Notation(
        attributes=read_attributes(Protected(algorithm, critical, content_type, header, _read_time)),
        claim=bound_claim(payload, artifact),
        signed=write_cbor(["Signature1", body, b"", payload]),
        signature=signature,
        chain=load_chain(chain),
        stamp=stamp,
    )


def _parts(envelope: Any) -> tuple[bytes, dict[Any, Any], bytes, bytes]:
    """Protected header (as it was signed), unprotected header, payload, signature."""
    parts = envelope.value if isinstance(envelope, Tagged) and envelope.number == _SIGN1 else None
    if not isinstance(parts, list) or [type(part) for part in parts] != [bytes, dict, bytes, bytes]:
        raise _malformed("it is no COSE_Sign1 with its tag and its payload")
    body, unprotected, payload, signature = parts
    return body, unprotected, payload, signature


def _read_time(value: Any) -> datetime | None:
    """Whole seconds since 1970, tagged as such."""
    if not isinstance(value, Tagged) or value.number != _EPOCH or not isinstance(value.value, int):
        return None
    try:
        return datetime.fromtimestamp(value.value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _malformed(reason: str) -> RefusedError:
    return RefusedError("format", f"the COSE envelope: {reason}", RESIGN)
