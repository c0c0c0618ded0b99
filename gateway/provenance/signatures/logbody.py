"""Whether a log's entry is about this very signature: its hash, its signature, and its signer. Pure.

Source: sigstore/rekor pkg/types (hashedrekord 0.0.1, dsse 0.0.1, intoto 0.0.1 and 0.0.2) and sigstore/rekor-tiles
(hashedrekord and dsse 0.0.2). The body is what the log has in its tree, so what it says must be compared, not believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.text import shown
from gateway.provenance.signatures.decoding import RESIGN, pem_bytes, read_base64, read_json
from gateway.provenance.signatures.keys import PublicKey
from gateway.provenance.signatures.material import Entry, Material
from gateway.provenance.signatures.refusal import RefusedError

_ALGORITHMS = {"sha256": "SHA2_256", "sha384": "SHA2_384", "sha512": "SHA2_512"}


class Signed(msgspec.Struct, frozen=True):
    """What an entry must say: the signature's material, the key that made it, and the artifact's digest."""

    material: Material
    key: PublicKey
    digest: str

    @property
    def message_digests(self) -> dict[str, bytes]:
        """The digests that stand for what was signed, by algorithm; of the artifact itself only the one known."""
        if self.material.message is None:
            algorithm, _, value = self.digest.partition(":")
            return {algorithm: bytes.fromhex(value)}
        return {name: hashlib.new(name, self.material.message).digest() for name in _ALGORITHMS}


class _Hash(msgspec.Struct):
    algorithm: str
    value: str


class _PublicKey(msgspec.Struct):
    content: bytes


class _HashedSignature(msgspec.Struct, rename="camel"):
    content: bytes
    public_key: _PublicKey


class _HashedData(msgspec.Struct):
    hash: _Hash


class _Hashed(msgspec.Struct):
    data: _HashedData
    signature: _HashedSignature


class _DsseSignature(msgspec.Struct):
    signature: bytes
    verifier: bytes


class _Dsse(msgspec.Struct, rename="camel"):
    payload_hash: _Hash
    signatures: tuple[_DsseSignature, ...]


class _IntotoSignature(msgspec.Struct, rename="camel"):
    sig: bytes
    public_key: bytes


class _IntotoEnvelope(msgspec.Struct, rename="camel"):
    payload_type: str
    signatures: tuple[_IntotoSignature, ...]


class _IntotoContent(msgspec.Struct, rename="camel"):
    hash: _Hash
    payload_hash: _Hash
    envelope: _IntotoEnvelope | None = None


class _Intoto(msgspec.Struct, rename="camel"):
    content: _IntotoContent
    public_key: bytes = b""


class _Raw(msgspec.Struct, rename="camel"):
    raw_bytes: bytes


class _Verifier(msgspec.Struct, rename="camel"):
    public_key: _Raw | None = None
    x509_certificate: _Raw | None = None


class _V2Signature(msgspec.Struct):
    content: bytes
    verifier: _Verifier


class _V2Hash(msgspec.Struct):
    algorithm: str
    digest: bytes


class _V2Hashed(msgspec.Struct):
    data: _V2Hash
    signature: _V2Signature


class _V2Dsse(msgspec.Struct, rename="camel"):
    payload_hash: _V2Hash
    signatures: tuple[_V2Signature, ...]


class _V2HashedSpec(msgspec.Struct):
    hashed: _V2Hashed = msgspec.field(name="hashedRekordV002")


class _V2DsseSpec(msgspec.Struct):
    dsse: _V2Dsse = msgspec.field(name="dsseV002")


class _Body(msgspec.Struct, rename="camel"):
    kind: str
    api_version: str
    spec: msgspec.Raw


def check_body(entry: Entry, signed: Signed) -> None:
    """Refuse an entry whose body is about another signature, payload or signer, or of a kind that does not fit.

    Raises:
        RefusedError: at the step ``log-entry``.
    """
    try:
        body = read_json(entry.body, _Body, "the body of the log entry")
        if (body.kind, body.api_version) != (entry.kind, entry.version):
            raise _mismatch(f"its body is a {shown(body.kind)} {shown(body.api_version)}")
        check = _CHECKS.get((signed.material.content, body.kind, body.api_version))
        if check is None:
            raise _mismatch(f"{shown(body.kind)} {shown(body.api_version)} does not record such signatures")
        check(bytes(body.spec), signed)
    except RefusedError as error:
        raise RefusedError("log-entry", error.reason, error.remedy) from None


def _hashed_001(spec: bytes, signed: Signed) -> None:
    body = read_json(spec, _Hashed, "the log entry")
    digest = signed.message_digests.get(body.data.hash.algorithm)
    _same(digest is not None and body.data.hash.value == digest.hex(), "of something else was recorded")
    _same(body.signature.content == signed.material.signature, "another signature was recorded")
    _same_signer(body.signature.public_key.content, signed)


def _dsse_001(spec: bytes, signed: Signed) -> None:
    body = read_json(spec, _Dsse, "the log entry")
    _same_payload(body.payload_hash, signed)
    _same(len(body.signatures) == 1, "it records more or fewer signatures than one")
    _same(body.signatures[0].signature == signed.material.signature, "another signature was recorded")
    _same_signer(body.signatures[0].verifier, signed)


def _intoto_001(spec: bytes, signed: Signed) -> None:
    """The signature is not recorded by itself, but in the hash of the whole envelope."""
    body = read_json(spec, _Intoto, "the log entry")
    _same_payload(body.content.payload_hash, signed)
    found, whole = body.content.hash, hashlib.sha256(signed.material.raw).hexdigest()
    _same((found.algorithm, found.value) == ("sha256", whole), "another envelope was recorded")
    _same_signer(body.public_key, signed)


def _intoto_002(spec: bytes, signed: Signed) -> None:
    body = read_json(spec, _Intoto, "the log entry")
    _same_payload(body.content.payload_hash, signed)
    envelope = body.content.envelope
    if envelope is None or len(envelope.signatures) != 1:
        raise _mismatch("it records more or fewer signatures than one")
    recorded = read_base64(envelope.signatures[0].sig, "the recorded signature")  # encoded twice in this kind
    _same(recorded == signed.material.signature, "another signature was recorded")
    _same_signer(envelope.signatures[0].public_key, signed)


def _hashed_002(spec: bytes, signed: Signed) -> None:
    """Of an envelope, what is hashed is what the signature is over, by the key's own hash."""
    body = read_json(spec, _V2HashedSpec, "the log entry").hashed
    digests = {_ALGORITHMS[name]: digest for name, digest in signed.message_digests.items()}
    _same(body.data.digest == digests.get(body.data.algorithm), "of something else was recorded")
    _same_v2(body.signature, signed)


def _dsse_002(spec: bytes, signed: Signed) -> None:
    body = read_json(spec, _V2DsseSpec, "the log entry").dsse
    digest = hashlib.sha256(signed.material.payload).digest()
    _same((body.payload_hash.algorithm, body.payload_hash.digest) == ("SHA2_256", digest), "another payload")
    _same(len(body.signatures) == 1, "it records more or fewer signatures than one")
    _same_v2(body.signatures[0], signed)


_CHECKS: dict[tuple[str, str, str], Callable[[bytes, Signed], None]] = {
    ("message", "hashedrekord", "0.0.1"): _hashed_001,
    ("message", "hashedrekord", "0.0.2"): _hashed_002,
    ("dsse", "hashedrekord", "0.0.2"): _hashed_002,
    ("dsse", "dsse", "0.0.1"): _dsse_001,
    ("dsse", "dsse", "0.0.2"): _dsse_002,
    ("dsse", "intoto", "0.0.1"): _intoto_001,
    ("dsse", "intoto", "0.0.2"): _intoto_002,
}


def _same_payload(found: _Hash, signed: Signed) -> None:
    payload = hashlib.sha256(signed.material.payload).hexdigest()
    _same((found.algorithm, found.value) == ("sha256", payload), "another payload was recorded")


def _same_v2(signature: _V2Signature, signed: Signed) -> None:
    _same(signature.content == signed.material.signature, "another signature was recorded")
    certificate, key = signature.verifier.x509_certificate, signature.verifier.public_key
    if signed.material.certificate:
        same = certificate is not None and certificate.raw_bytes == signed.material.certificate
    else:
        same = key is not None and key.raw_bytes == signed.key.der
    _same(same, "another signer was recorded")


def _same_signer(pem: bytes, signed: Signed) -> None:
    if signed.material.certificate:
        same = pem_bytes(pem, "CERTIFICATE", "the recorded certificate") == signed.material.certificate
    else:
        same = pem_bytes(pem, "PUBLIC KEY", "the recorded key") == signed.key.der
    _same(same, "another signer was recorded")


def _same(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _mismatch(otherwise)


def _mismatch(reason: Any) -> RefusedError:
    return RefusedError("log-entry", f"the log entry does not belong to the signature: {reason}", RESIGN)
