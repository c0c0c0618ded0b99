"""Notation's envelopes in COSE, made by hand to its specification, each part of which can be replaced."""

from __future__ import annotations

import json
from typing import Any

import cbor2
from support.signing import ARTIFACT, DER, DIGEST, NotationSigner, jws_sign

from gateway.provenance.evidence import Candidate

PREFIX = "io.cncf.notary."
SCHEME = f"{PREFIX}signingScheme"
TIME = f"{PREFIX}signingTime"
AUTHENTIC = f"{PREFIX}authenticSigningTime"
EXPIRY = f"{PREFIX}expiry"
STAMP = f"{PREFIX}timestampSignature"
AUTHORITY = "notary.x509.signingAuthority"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
ALGORITHMS = {"ES256": -7, "ES384": -35, "ES512": -36, "PS256": -37, "PS384": -38, "PS512": -39}
ALG, CRIT, CTY, CHAIN = 1, 2, 3, 33
NOON = 1748779200
"""2025-06-01T12:00:00Z"""
ABSENT: Any = object()
"""In place of a header: it is left out."""


def epoch(seconds: Any) -> cbor2.CBORTag:
    """A time, as COSE has it."""
    return cbor2.CBORTag(1, seconds)


def sign_cose(
    signer: NotationSigner,
    protected: dict[Any, Any] | None = None,
    unprotected: dict[Any, Any] | None = None,
    *,
    target: dict[str, Any] | None = None,
) -> Candidate:
    """An envelope; ``protected`` and ``unprotected`` replace headers or add some."""
    header = {
        ALG: ALGORITHMS["ES256"],
        CRIT: [SCHEME],
        CTY: PAYLOAD_TYPE,
        SCHEME: "notary.x509",
        TIME: epoch(NOON),
        **(protected or {}),
    }
    described = {"mediaType": ARTIFACT.media_type, "digest": DIGEST, "size": ARTIFACT.size}
    payload = json.dumps({"targetArtifact": {**described, "annotations": {"build": "7"}, **(target or {})}}).encode()
    body = cbor2.dumps(_present(header))
    signature = jws_sign(signer.key, cbor2.dumps(["Signature1", body, b"", payload]))
    outside = {CHAIN: chain_of(signer), f"{PREFIX}signingAgent": "test", **(unprotected or {})}
    if callable(outside.get(STAMP)):
        outside[STAMP] = outside[STAMP](signature)
    return cose_candidate([body, _present(outside), payload, signature])


def by_authority() -> dict[Any, Any]:
    """The protected headers of a signing authority."""
    return {SCHEME: AUTHORITY, TIME: ABSENT, AUTHENTIC: epoch(NOON), CRIT: [SCHEME, AUTHENTIC]}


def cose_candidate(parts: Any, *, tag: int | None = 18) -> Candidate:
    """An envelope of these parts, or of these bytes."""
    if not isinstance(parts, bytes):
        parts = cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))
    return Candidate("notation-cose", parts, media_type="application/cose", source="sha256:notation")


def parts_of(candidate: Candidate) -> list[Any]:
    """Protected header, unprotected header, payload, signature."""
    return list(cbor2.loads(candidate.payload).value)


def chain_of(signer: NotationSigner) -> list[bytes]:
    """Its certificates, as x5chain has them."""
    return [one.public_bytes(DER) for one in signer.chain]


def _present(header: dict[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in header.items() if value is not ABSENT}
