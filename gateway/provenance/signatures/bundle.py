"""Sigstore bundles, v0.1 to v0.3, by key or by certificate, of an envelope or of the artifact itself.

Source: sigstore/protobuf-specs, sigstore_bundle.proto and sigstore_rekor.proto, in protobuf's JSON.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.text import shown
from gateway.provenance.evidence import Artifact, Candidate
from gateway.provenance.signatures.decoding import RESIGN, read_json
from gateway.provenance.signatures.material import Claim, Entry, Material, Proof
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.statement import (
    Envelope,
    check_envelope,
    pre_authentication_encoding,
    read_statement,
    refuse_subject,
)

V01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
V02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
V03_OLD = "application/vnd.dev.sigstore.bundle+json;version=0.3"
V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
MEDIA_TYPES = (V01, V02, V03_OLD, V03)
MAX_ENTRIES = 8
MAX_TIMESTAMPS = 8
MAX_HASHES = 64
_ALGORITHMS = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


class _Struct(msgspec.Struct, rename="camel"):
    pass


class _Certificate(_Struct):
    raw_bytes: bytes


class _Chain(_Struct):
    certificates: tuple[_Certificate, ...]


class _Hint(_Struct):
    hint: str = ""


class _LogId(_Struct):
    key_id: bytes


class _KindVersion(_Struct):
    kind: str
    version: str


class _Promise(_Struct):
    signed_entry_timestamp: bytes


class _Checkpoint(_Struct):
    envelope: str


class _Proof(_Struct):
    root_hash: bytes
    tree_size: int
    log_index: int = 0
    hashes: tuple[bytes, ...] = ()
    checkpoint: _Checkpoint | None = None


class _Entry(_Struct):
    log_id: _LogId
    kind_version: _KindVersion
    canonicalized_body: bytes
    log_index: int = 0
    integrated_time: int = 0
    inclusion_promise: _Promise | None = None
    inclusion_proof: _Proof | None = None


class _Stamp(_Struct):
    signed_timestamp: bytes


class _Stamps(_Struct):
    rfc3161_timestamps: tuple[_Stamp, ...] | None = None


class _Material(_Struct):
    public_key: _Hint | None = None
    certificate: _Certificate | None = None
    x509_certificate_chain: _Chain | None = None
    tlog_entries: tuple[_Entry, ...] | None = None
    timestamp_verification_data: _Stamps | None = None


class _Digest(_Struct):
    algorithm: str = ""  # cosign leaves both out for Ed25519
    digest: bytes = b""


class _MessageSignature(_Struct):
    signature: bytes
    message_digest: _Digest | None = None


class _Bundle(_Struct):
    media_type: str
    verification_material: _Material
    dsse_envelope: Envelope | None = None
    message_signature: _MessageSignature | None = None


def read_bundle(candidate: Candidate, artifact: Artifact) -> Material:
    """A Sigstore bundle about the artifact.

    Raises:
        RefusedError: malformed, of an unknown version, or about something else.
    """
    bundle = read_json(candidate.payload, _Bundle, "the Sigstore bundle")
    if bundle.media_type not in MEDIA_TYPES:
        found = shown(bundle.media_type)
        raise RefusedError("media-type", f"the bundle is of an unknown type, {found}", RESIGN)
    material = bundle.verification_material
    common: dict[str, Any] = {
        "format": candidate.format,
        "raw": candidate.payload,
        "certificate": _leaf(bundle),
        "hint": material.public_key.hint if material.public_key else "",
        "entries": _entries(material, proof_required=bundle.media_type != V01),
        "timestamps": _timestamps(material),
        "complete": bundle.media_type != V01,
    }
    if (bundle.dsse_envelope is None) == (bundle.message_signature is None):
        raise RefusedError("format", "the bundle has not exactly one of dsseEnvelope and messageSignature", RESIGN)
    if bundle.message_signature is not None:
        signature = bundle.message_signature.signature
        claim = _check_digest(bundle.message_signature, artifact)
        return Material(
            content="message", message=None, payload=b"", signature=signature, claim=claim, stamped=signature, **common
        )
    envelope = bundle.dsse_envelope
    assert envelope is not None  # noqa: S101 - exactly one is there
    check_envelope(envelope)
    return Material(
        content="dsse",
        message=pre_authentication_encoding(envelope.payload_type, envelope.payload),
        payload=envelope.payload,
        signature=envelope.signature,
        claim=read_statement(envelope.payload, artifact),
        stamped=envelope.signature,
        **common,
    )


def _leaf(bundle: _Bundle) -> bytes:
    """The signer's certificate, b"" with a key; exactly one of the three ways to say it."""
    material = bundle.verification_material
    chain = material.x509_certificate_chain
    if sum(part is not None for part in (material.public_key, material.certificate, chain)) != 1:
        raise RefusedError("format", "the bundle has not exactly one of publicKey, certificate and chain", RESIGN)
    if material.certificate is not None:
        return material.certificate.raw_bytes
    if chain is None:
        return b""
    if bundle.media_type in (V03, V03_OLD) or not chain.certificates:
        raise RefusedError("format", "a bundle of v0.3 has one certificate, and no chain", RESIGN)
    return chain.certificates[0].raw_bytes


def _check_digest(message: _MessageSignature, artifact: Artifact) -> Claim:
    """What a signature of the artifact itself says. The digest in the bundle is a hint, but may not be another's."""
    if not message.signature:
        raise RefusedError("format", "the bundle's signature is empty", RESIGN)
    if message.message_digest is not None and message.message_digest != _Digest():
        algorithm = _ALGORITHMS.get(message.message_digest.algorithm)
        if algorithm is None:
            found = shown(message.message_digest.algorithm)
            raise RefusedError("algorithm", f"the bundle's digest is by {found}", RESIGN)
        digest = f"{algorithm}:{message.message_digest.digest.hex()}"
        if artifact.digest.partition(":")[0] == algorithm and digest != artifact.digest:
            raise refuse_subject(digest, artifact)
    return Claim(digest=artifact.digest)


def _entries(material: _Material, *, proof_required: bool) -> tuple[Entry, ...]:
    entries = material.tlog_entries or ()
    if len(entries) > MAX_ENTRIES:
        raise RefusedError("size", f"the bundle has more than {MAX_ENTRIES} log entries", RESIGN)
    return tuple(_entry(entry, proof_required=proof_required) for entry in entries)


def _entry(entry: _Entry, *, proof_required: bool) -> Entry:
    return Entry(
        log_index=entry.log_index,
        log_id=entry.log_id.key_id,
        kind=entry.kind_version.kind,
        version=entry.kind_version.version,
        integrated_time=entry.integrated_time,
        body=entry.canonicalized_body,
        promise=entry.inclusion_promise.signed_entry_timestamp if entry.inclusion_promise else b"",
        proof=_proof(entry.inclusion_proof, required=proof_required),
    )


def _proof(proof: _Proof | None, *, required: bool) -> Proof | None:
    """None where there is none, or (of v0.1) one worth nothing without a checkpoint: the log's promise is there."""
    if proof is None:
        if required:
            raise RefusedError("log-proof", "the log entry has no inclusion proof", RESIGN)
        return None
    if proof.checkpoint is None:
        if required:
            raise RefusedError("log-checkpoint", "the inclusion proof has no checkpoint", RESIGN)
        return None
    if len(proof.hashes) > MAX_HASHES:
        raise RefusedError("size", f"the inclusion proof has more than {MAX_HASHES} hashes", RESIGN)
    return Proof(
        log_index=proof.log_index,
        root_hash=proof.root_hash,
        tree_size=proof.tree_size,
        hashes=proof.hashes,
        checkpoint=proof.checkpoint.envelope,
    )


def _timestamps(material: _Material) -> tuple[bytes, ...]:
    data = material.timestamp_verification_data
    stamps = data.rfc3161_timestamps if data is not None else None
    if stamps and len(stamps) > MAX_TIMESTAMPS:
        raise RefusedError("size", f"the bundle has more than {MAX_TIMESTAMPS} time stamps", RESIGN)
    return tuple(stamp.signed_timestamp for stamp in stamps or ())
