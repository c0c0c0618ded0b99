"""A Sigstore instance in memory: certificate authority, certificate log, transparency log, time-stamp authority.

Everything is made as the real services make it, so that real verifiers accept it: a leaf of ten minutes with an embedded
signed certificate timestamp; a Merkle tree with a signed checkpoint and signed promises of inclusion; a TrustedRoot.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.tsa import TimestampAuthority

from gateway.provenance.signatures.merkle import leaf_hash, node_hash

NOW = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
SUBJECT = "https://github.com/acme/app/.github/workflows/release.yaml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
IN_TOTO = "application/vnd.in-toto+json"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
BUNDLE_V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: Any, encoding: serialization.Encoding = _DER) -> bytes:
    """The public key, in DER or PEM."""
    public = key.public_key() if hasattr(key, "public_key") else key
    return public.public_bytes(encoding, _SPKI)


def pae(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    return f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload


def statement(digest: str, predicate_type: str = COSIGN_SIGN, predicate: Any = None, **extra: Any) -> bytes:
    """An in-toto statement about one digest."""
    algorithm, _, value = digest.partition(":")
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {algorithm: value}, "annotations": {"team": "web"}}],
        "predicateType": predicate_type,
        "predicate": predicate if predicate is not None else {},
        **extra,
    }
    return json.dumps(document).encode()


def sign(key: Any, message: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """A signature by an ECDSA or Ed25519 key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, ec.ECDSA(algorithm or hashes.SHA256()))


class MerkleLog:
    """A log: entries, a tree, a checkpoint. Rekor's first version also promises to include an entry, and says when; the
    second (``second``) has an Ed25519 key, known by the hash that signed notes have.
    """

    def __init__(self, origin: str = "rekor.test", *, second: bool = False) -> None:
        self.key: Any = ed25519.Ed25519PrivateKey.generate() if second else ec.generate_private_key(ec.SECP256R1())
        self.origin = origin
        named = f"{origin}\n\x01".encode() + self.key.public_key().public_bytes_raw() if second else spki(self.key)
        self.id = hashlib.sha256(named).digest()
        self._second = second
        self._leaves = [leaf_hash(f"entry {number}".encode()) for number in range(5)]

    def add(
        self, body: dict[str, Any], kind: tuple[str, str], at: datetime | None = NOW, more: int = 3
    ) -> dict[str, Any]:
        """Log a body; the entry as bundles carry it. ``at`` None: no promise and no time, as Rekor's second version."""
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        index = len(self._leaves)
        self._leaves.append(leaf_hash(canonical))
        self._leaves += [leaf_hash(f"entry {index} {number}".encode()) for number in range(more)]
        entry: dict[str, Any] = {
            "logIndex": str(index + 1000),
            "logId": {"keyId": b64(self.id)},
            "kindVersion": {"kind": kind[0], "version": kind[1]},
            "canonicalizedBody": b64(canonical),
            "inclusionProof": self._proof(index),
        }
        if at is not None:
            entry["integratedTime"] = str(int(at.timestamp()))
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise(canonical, index + 1000, at))}
        return entry

    def promise(self, body: bytes, index: int, at: datetime) -> bytes:
        payload = {"body": b64(body), "integratedTime": int(at.timestamp()), "logID": self.id.hex(), "logIndex": index}
        return sign(self.key, json.dumps(payload, sort_keys=True, separators=(",", ":")).encode())

    def _proof(self, index: int) -> dict[str, Any]:
        root = _tree(self._leaves)
        text = f"{self.origin}{'' if self._second else ' - 42'}\n{len(self._leaves)}\n{b64(root)}\n"
        signature = self.id[:4] + sign(self.key, text.encode())
        return {
            "logIndex": str(index),
            "treeSize": str(len(self._leaves)),
            "rootHash": b64(root),
            "hashes": [b64(item) for item in _path(index, self._leaves)],
            "checkpoint": {"envelope": f"{text}\n\u2014 {self.origin} {b64(signature)}\n"},
        }

    def instance(self, start: datetime, end: datetime | None = None) -> dict[str, Any]:
        """As a TrustedRoot lists it."""
        return _instance(self.key, self.id, f"https://{self.origin}", start, end)


class Stack:
    """The whole instance, with every part replaceable."""

    def __init__(self, ca_until: datetime = NOW + timedelta(days=3650)) -> None:
        self._ca_until = ca_until
        self.ca_key = ec.generate_private_key(ec.SECP384R1())
        self.ct_key = ec.generate_private_key(ec.SECP256R1())
        self.log = MerkleLog()
        self.second = MerkleLog("log2.rekor.test", second=True)
        self.tsa = TimestampAuthority()
        self.ca = self._authority()

    def leaf(
        self,
        key: Any,
        subject: str = SUBJECT,
        issuer: str = ISSUER,
        at: datetime = NOW,
        *,
        scts: int = 1,
        issuer_v1: str | None = None,
        ct_key: Any = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        names: list[x509.GeneralName] | None = None,
    ) -> x509.Certificate:
        """A certificate for ten minutes around ``at``."""
        first = issuer if issuer_v1 is None else issuer_v1
        serial = x509.random_serial_number()
        names = names or [x509.UniformResourceIdentifier(subject)]

        def build(timestamps: bytes) -> x509.Certificate:
            builder = (
                x509.CertificateBuilder()
                .subject_name(x509.Name([]))
                .issuer_name(self.ca.subject)
                .public_key(key.public_key())
                .serial_number(serial)
                .not_valid_before(at - timedelta(minutes=1))
                .not_valid_after(at + timedelta(minutes=9))
                .add_extension(_key_usage(sign=True), critical=True)
                .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.public_key()), critical=False
                )
                .add_extension(x509.SubjectAlternativeName(names), critical=True)
                .add_extension(x509.UnrecognizedExtension(_ISSUER_V1, first.encode()), critical=False)
                .add_extension(x509.UnrecognizedExtension(_ISSUER_V2, _utf8(issuer)), critical=False)
            )
            if timestamps:
                builder = builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, timestamps), critical=False)
            return builder.sign(self.ca_key, hashes.SHA384())

        return build(self._timestamps(build(b"").tbs_certificate_bytes, at, ct_key, scts) if scts else b"")

    def root(self, **windows: tuple[datetime, datetime | None]) -> bytes:
        """The TrustedRoot; ``log``, ``ca``, ``ct`` and ``tsa`` take other windows than from a year before to ever after."""
        start = NOW - timedelta(days=365)
        ct_id = hashlib.sha256(spki(self.ct_key)).digest()
        window = {name: windows.get(name, (start, None)) for name in ("log", "ca", "ct", "tsa")}
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [self.log.instance(*window["log"]), self.second.instance(*window["log"])],
                "certificateAuthorities": [_chain([self.ca], *window["ca"])],
                "ctlogs": [_instance(self.ct_key, ct_id, "https://ct.test", *window["ct"])],
                "timestampAuthorities": [_chain(self.tsa.chain, *window["tsa"])],
            }
        ).encode()

    def envelope(
        self,
        payload: bytes,
        key: Any,
        *,
        certificate: x509.Certificate | None = None,
        logged: bool = True,
        stamped: bool = False,
        at: datetime = NOW,
        promised: bool = True,
        payload_type: str = IN_TOTO,
        algorithm: hashes.HashAlgorithm | None = None,
    ) -> dict[str, Any]:
        """A bundle of a DSSE envelope; by certificate if there is one, else by key."""
        signature = sign(key, pae(payload, payload_type), algorithm)
        bundle = self._bundle(key, certificate)
        bundle["dsseEnvelope"] = {
            "payload": b64(payload),
            "payloadType": payload_type,
            "signatures": [{"sig": b64(signature)}],
        }
        if logged:
            body = dsse_body(payload, signature, certificate or key)
            entry = self.log.add(body, ("dsse", "0.0.1"), at if promised else None)
            bundle["verificationMaterial"]["tlogEntries"] = [entry]
        if stamped:
            _stamp(bundle, self.tsa.stamp(signature, at))
        return bundle

    def message(
        self,
        content: bytes,
        key: Any,
        *,
        certificate: x509.Certificate | None = None,
        logged: bool = True,
        stamped: bool = False,
        at: datetime = NOW,
    ) -> dict[str, Any]:
        """A bundle of a signature of ``content`` itself."""
        signature = sign(key, content)
        bundle = self._bundle(key, certificate)
        digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(content).digest())}
        bundle["messageSignature"] = {"messageDigest": digest, "signature": b64(signature)}
        if logged:
            entry = self.log.add(hashed_body(content, signature, certificate or key), ("hashedrekord", "0.0.1"), at)
            bundle["verificationMaterial"]["tlogEntries"] = [entry]
        if stamped:
            _stamp(bundle, self.tsa.stamp(signature, at))
        return bundle

    def _bundle(self, key: Any, certificate: x509.Certificate | None) -> dict[str, Any]:
        if certificate is not None:
            material: dict[str, Any] = {"certificate": {"rawBytes": b64(certificate.public_bytes(_DER))}}
        else:
            material = {"publicKey": {"hint": b64(hashlib.sha256(spki(key)).digest())}}
        return {"mediaType": BUNDLE_V03, "verificationMaterial": material}

    def _authority(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.ca_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=900))
            .not_valid_after(self._ca_until)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(sign=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.ca_key.public_key()), critical=False)
            .sign(self.ca_key, hashes.SHA384())
        )

    def _timestamps(self, body: bytes, at: datetime, ct_key: Any, count: int) -> bytes:
        """A list of signed certificate timestamps: RFC 6962 sections 3.2 and 3.3."""
        key = ct_key or self.ct_key
        stamp = int(at.timestamp() * 1000).to_bytes(8, "big")
        issuer = hashlib.sha256(spki(self.ca_key)).digest()
        signed = b"\x00\x00" + stamp + b"\x00\x01" + issuer + len(body).to_bytes(3, "big") + body + b"\x00\x00"
        signature = sign(key, signed)
        log = hashlib.sha256(spki(self.ct_key)).digest()
        sct = b"\x00" + log + stamp + b"\x00\x00" + b"\x04\x03" + len(signature).to_bytes(2, "big") + signature
        listed = (len(sct).to_bytes(2, "big") + sct) * count
        value = len(listed).to_bytes(2, "big") + listed
        size = len(value)
        short = (
            bytes([size])
            if size < 128
            else b"\x81" + bytes([size])
            if size < 256
            else b"\x82" + size.to_bytes(2, "big")
        )
        return b"\x04" + short + value


def dsse_body(payload: bytes, signature: bytes, signer: Any) -> dict[str, Any]:
    """What Rekor records of an envelope."""
    return {
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": b64(signature), "verifier": b64(signer_pem(signer))}],
        },
    }


def hashed_body(content: bytes, signature: bytes, signer: Any) -> dict[str, Any]:
    """What Rekor records of a signature over a digest."""
    return {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}},
            "signature": {"content": b64(signature), "publicKey": {"content": b64(signer_pem(signer))}},
        },
    }


def second_body(content: bytes, signature: bytes, signer: Any, kind: str) -> dict[str, Any]:
    """What Rekor's second version records: of a signature over ``content``, or of an envelope with that payload (dsse)."""
    if isinstance(signer, x509.Certificate):
        verifier: dict[str, Any] = {"x509Certificate": {"rawBytes": b64(signer.public_bytes(_DER))}}
    else:
        verifier = {"publicKey": {"rawBytes": b64(spki(signer))}}
    made = {"content": b64(signature), "verifier": {**verifier, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}}
    digest = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(content).digest())}
    if kind == "dsse":
        spec = {"dsseV002": {"payloadHash": digest, "signatures": [made]}}
    else:
        spec = {"hashedRekordV002": {"data": digest, "signature": made}}
    return {"apiVersion": "0.0.2", "kind": kind, "spec": spec}


def signer_pem(signer: Any) -> bytes:
    return signer.public_bytes(_PEM) if isinstance(signer, x509.Certificate) else spki(signer, _PEM)


def _stamp(bundle: dict[str, Any], response: bytes) -> None:
    stamps = [{"signedTimestamp": b64(response)}]
    bundle["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": stamps}


def _instance(key: Any, log_id: bytes, url: str, start: datetime, end: datetime | None) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": b64(spki(key)),
            "keyDetails": "PKIX_ED25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "PKIX_ECDSA_P256_SHA_256",
            "validFor": _window(start, end),
        },
        "logId": {"keyId": b64(log_id)},
    }


def _chain(certificates: list[x509.Certificate], start: datetime, end: datetime | None) -> dict[str, Any]:
    return {
        "subject": {"organization": "test", "commonName": "test"},
        "uri": "https://ca.test",
        "certChain": {"certificates": [{"rawBytes": b64(item.public_bytes(_DER))} for item in certificates]},
        "validFor": _window(start, end),
    }


def _window(start: datetime, end: datetime | None) -> dict[str, str]:
    window = {"start": start.isoformat().replace("+00:00", "Z")}
    return window if end is None else {**window, "end": end.isoformat().replace("+00:00", "Z")}


def _key_usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _utf8(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 128
    return b"\x0c" + bytes([len(data)]) + data


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _tree(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    at = _split(len(leaves))
    return node_hash(_tree(leaves[:at]), _tree(leaves[at:]))


def _path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    at = _split(len(leaves))
    if index < at:
        return [*_path(index, leaves[:at]), _tree(leaves[at:])]
    return [*_path(index - at, leaves[at:]), _tree(leaves[:at])]
