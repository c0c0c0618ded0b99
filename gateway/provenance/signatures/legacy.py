"""cosign's legacy formats: a layer, and everything else in the annotations of its descriptor.

Source: sigstore/cosign specs/SIGNATURE_SPEC.md; the simple signing payload of containers/image; the annotations
``dev.sigstore.cosign/bundle`` (an entry of a log with the log's promise) and ``…/rfc3161timestamp``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.canonical import sha256_digest
from gateway.core.text import shown
from gateway.provenance.evidence import Artifact, Candidate
from gateway.provenance.signatures.decoding import (
    MAX_ANNOTATION_BYTES,
    RESIGN,
    check_size,
    pem_bytes,
    read_base64,
    read_json,
)
from gateway.provenance.signatures.material import Claim, Entry, Material
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.statement import (
    Envelope,
    check_envelope,
    pre_authentication_encoding,
    read_statement,
    refuse_subject,
    strings,
)

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_CERTIFICATE = "dev.sigstore.cosign/certificate"
_BUNDLE = "dev.sigstore.cosign/bundle"
_TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
_TYPE = "cosign container image signature"


class _Image(msgspec.Struct):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _Critical(msgspec.Struct):
    image: _Image
    type: str


class _SimpleSigning(msgspec.Struct):
    critical: _Critical
    optional: dict[str, Any] | None = None


class _Payload(
    msgspec.Struct, rename={"integrated_time": "integratedTime", "log_index": "logIndex", "log_id": "logID"}
):
    body: bytes
    integrated_time: int
    log_index: int
    log_id: str


class _Bundle(msgspec.Struct):
    promise: bytes = msgspec.field(name="SignedEntryTimestamp")
    payload: _Payload = msgspec.field(name="Payload")


class _Body(msgspec.Struct, rename="camel"):
    kind: str
    api_version: str


class _Timestamp(msgspec.Struct):
    response: bytes = msgspec.field(name="SignedRFC3161Timestamp")


def read_signature(candidate: Candidate, artifact: Artifact) -> Material:
    """A layer of a ``.sig`` manifest.

    Raises:
        RefusedError: malformed, or about another artifact.
    """
    signed = read_json(candidate.payload, _SimpleSigning, "the signed payload")
    if signed.critical.type != _TYPE:
        kind = shown(signed.critical.type)
        raise RefusedError("payload-type", f"the signed payload is a {kind!r}, not a container signature", RESIGN)
    if signed.critical.image.digest != artifact.digest:
        raise refuse_subject(signed.critical.image.digest, artifact)
    signature = candidate.signature
    if signature is None:
        text = _annotation(candidate, _SIGNATURE)
        if not text:
            raise RefusedError("format", f"the layer has no annotation {_SIGNATURE}", RESIGN)
        signature = read_base64(text, "the signature")
    return Material(
        format=candidate.format,
        content="message",
        message=candidate.payload,
        payload=candidate.payload,
        signature=signature,
        claim=Claim(digest=sha256_digest(candidate.payload), annotations=strings(signed.optional)),
        raw=candidate.payload,
        stamped=signature,
        certificate=_certificate(candidate),
        entries=_entries(candidate),
        timestamps=_timestamps(candidate),
    )


def read_attestation(candidate: Candidate, artifact: Artifact) -> Material:
    """A layer of an ``.att`` manifest: a DSSE envelope.

    Raises:
        RefusedError: malformed, or about another artifact.
    """
    envelope = read_json(candidate.payload, Envelope, "the DSSE envelope")
    check_envelope(envelope)
    return Material(
        format=candidate.format,
        content="dsse",
        message=pre_authentication_encoding(envelope.payload_type, envelope.payload),
        payload=envelope.payload,
        signature=envelope.signature,
        claim=read_statement(envelope.payload, artifact),
        raw=candidate.payload,
        stamped=candidate.payload,
        certificate=_certificate(candidate),
        entries=_entries(candidate),
        timestamps=_timestamps(candidate),
    )


def _annotation(candidate: Candidate, name: str) -> str:
    text = candidate.annotations.get(name, "")
    check_size(text, f"the annotation {name}", MAX_ANNOTATION_BYTES)
    return text


def _certificate(candidate: Candidate) -> bytes:
    text = _annotation(candidate, _CERTIFICATE)
    return pem_bytes(text.encode(errors="replace"), "CERTIFICATE", "the certificate") if text else b""


def _entries(candidate: Candidate) -> tuple[Entry, ...]:
    text = _annotation(candidate, _BUNDLE)
    if not text:
        return ()
    bundle = read_json(text, _Bundle, "the log entry")
    body = read_json(bundle.payload.body, _Body, "the body of the log entry")
    try:
        log_id = bytes.fromhex(bundle.payload.log_id)
    except ValueError:
        raise RefusedError("format", "the log's id is not hexadecimal", RESIGN) from None
    return (
        Entry(
            log_index=bundle.payload.log_index,
            log_id=log_id,
            kind=body.kind,
            version=body.api_version,
            integrated_time=bundle.payload.integrated_time,
            body=bundle.payload.body,
            promise=bundle.promise,
        ),
    )


def _timestamps(candidate: Candidate) -> tuple[bytes, ...]:
    text = _annotation(candidate, _TIMESTAMP)
    return (read_json(text, _Timestamp, "the time stamp").response,) if text else ()
