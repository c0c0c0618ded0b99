"""Artifacts, authorities and candidates for tests of signatures; each candidate as the registry side would hand it over."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.sigstack import BUNDLE_V03, ISSUER, NOW, SUBJECT, Stack, b64, hashed_body, pae, sign, spki

from gateway.provenance.evidence import Artifact, Authority, Candidate, Evidence, Identity, Key, Rejected, Signed
from gateway.provenance.signatures import verify_candidates

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
MANIFEST = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
OTHER = f"sha256:{hashlib.sha256(b'another').hexdigest()}"
ARTIFACT = Artifact(
    DIGEST, "application/vnd.oci.image.manifest.v1+json", "application/vnd.cncf.flux.config.v1+json", 20
)
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
PREFIX = "dev.sigstore.cosign/"


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    return spki(key, PEM).decode()


def by_key(*keys: Any, root: bytes = b"", **settings: Any) -> Authority:
    """An authority of keys: private keys, or settings of keys."""
    listed = tuple(key if isinstance(key, Key) else Key(pem(key)) for key in keys)
    return Authority(name="keys", keys=listed, trusted_root=root, **settings)


def by_identity(root: bytes, *identities: Identity, **settings: Any) -> Authority:
    """An authority of identities; without any, of the one that the stack's certificates have."""
    listed = identities or (Identity(ISSUER, SUBJECT),)
    return Authority(name="identities", identities=listed, trusted_root=root, **settings)


def bundle(document: dict[str, Any] | bytes, source: str = "sha256:bundle") -> Candidate:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Candidate("sigstore-bundle", payload, media_type=BUNDLE_V03, source=source)


def verify(
    candidate: Candidate, *authorities: Authority, now: datetime = NOW, artifact: Artifact = ARTIFACT
) -> Evidence:
    return verify_candidates(artifact, [candidate], authorities, now)


def accepted(evidence: Evidence) -> Signed:
    """The one statement that was verified, and nothing else."""
    assert not evidence.rejected, evidence.rejected
    (signed,) = evidence.signed
    return signed


def refused(evidence: Evidence) -> Rejected:
    """The one refusal, and nothing that was verified."""
    assert not evidence.signed, evidence.signed
    (rejected,) = evidence.rejected
    assert "internal error" not in rejected.reason, rejected.reason
    assert rejected.reason
    assert rejected.remedy
    return rejected


def simple_signing(digest: str = DIGEST, kind: str = "cosign container image signature", **optional: Any) -> bytes:
    critical = {"identity": {"docker-reference": "x"}, "image": {"docker-manifest-digest": digest}, "type": kind}
    return json.dumps({"critical": critical, "optional": optional or None}).encode()


def legacy(payload: bytes, signature: bytes, **annotations: str) -> Candidate:
    """A layer of a ``.sig`` manifest; annotations by their last word."""
    listed = {f"{PREFIX}{name}": value for name, value in annotations.items()}
    listed["dev.cosignproject.cosign/signature"] = b64(signature)
    return Candidate("cosign-legacy", payload, annotations=listed, media_type=SIMPLE_SIGNING, source="sha256:sig")


def legacy_logged(stack: Stack, payload: bytes, signature: bytes, signer: Any, at: datetime = NOW) -> str:
    """cosign's annotation ``bundle``: a hashedrekord under the log's promise."""
    body = json.dumps(hashed_body(payload, signature, signer), sort_keys=True, separators=(",", ":")).encode()
    promise = stack.log.promise(body, 7, at)
    logged = {
        "body": b64(body),
        "integratedTime": int(at.timestamp()),
        "logIndex": 7,
        "logID": stack.log.id.hex(),
    }
    return json.dumps({"SignedEntryTimestamp": b64(promise), "Payload": logged})


def attestation(payload: bytes, key: Any, **annotations: str) -> Candidate:
    """A layer of an ``.att`` manifest."""
    envelope = {
        "payloadType": "application/vnd.in-toto+json",
        "payload": b64(payload),
        "signatures": [{"keyid": "", "sig": b64(sign(key, pae(payload)))}],
    }
    listed = {f"{PREFIX}{name}": value for name, value in annotations.items()} | {
        "dev.cosignproject.cosign/signature": ""
    }
    return Candidate(
        "cosign-legacy-attestation",
        json.dumps(envelope).encode(),
        annotations=listed,
        media_type=DSSE,
        source="sha256:att",
    )


class NotationSigner:
    """A root, an intermediate and a code-signing leaf; each part of an envelope can be replaced."""

    def __init__(self, key: Any = None, *, now: datetime = NOW, **leaf: Any) -> None:
        self.key = key or p256()
        root_key, middle_key = p256(), p256()
        self.root = notation_certificate("root", root_key, "root", root_key, ca=True, now=now)
        self.middle = notation_certificate("middle", middle_key, "root", root_key, ca=True, path_length=0, now=now)
        self.leaf = notation_certificate("signer", self.key, "middle", middle_key, now=now, **leaf)
        self.chain = [self.leaf, self.middle, self.root]

    @property
    def anchors(self) -> str:
        return self.root.public_bytes(PEM).decode()

    def authority(self, **settings: Any) -> Authority:
        return Authority(name="notation", notation_anchors=self.anchors, **settings)

    def sign(
        self, *, target: dict[str, Any] | None = None, drop: tuple[str, ...] = (), chain: Any = None, **protected: Any
    ) -> Candidate:
        """An envelope; ``protected`` replaces headers (their last word), ``drop`` leaves some out."""
        header = {
            "alg": "ES256",
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": ["io.cncf.notary.signingScheme"],
            "io.cncf.notary.signingScheme": "notary.x509",
            "io.cncf.notary.signingTime": "2025-06-01T12:00:00Z",
        }
        for name, value in protected.items():
            header[name if name in header else f"io.cncf.notary.{name}"] = value
        for name in drop:
            del header[name]
        described = {"mediaType": ARTIFACT.media_type, "digest": DIGEST, "size": ARTIFACT.size}
        payload = {"targetArtifact": {**described, "annotations": {"build": "7"}, **(target or {})}}
        first, second = (_url(json.dumps(part).encode()) for part in (header, payload))
        document = {
            "payload": second,
            "protected": first,
            "header": {
                "x5c": [b64(item.public_bytes(DER)) for item in (chain or self.chain)],
                "io.cncf.notary.signingAgent": "test",
            },
            "signature": _url(jws_sign(self.key, f"{first}.{second}".encode())),
        }
        return jws_candidate(document)


def jws_candidate(document: Any) -> Candidate:
    return Candidate(
        "notation-jws", json.dumps(document).encode(), media_type="application/jose+json", source="sha256:notation"
    )


def jws_sign(key: Any, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = {2048: hashes.SHA256(), 3072: hashes.SHA384(), 4096: hashes.SHA512()}[key.key_size]
        return key.sign(message, padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH), algorithm)
    algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(algorithm)))
    half = (key.curve.key_size + 7) // 8
    return r.to_bytes(half, "big") + s.to_bytes(half, "big")


def notation_certificate(
    name: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    *,
    ca: bool = False,
    path_length: int | None = None,
    now: datetime = NOW,
    uses: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,),
    days: int = 30,
    digital_signature: bool | None = None,
    key_cert_sign: bool | None = None,
    usage: x509.KeyUsage | None = None,
    usage_critical: bool | None = True,
    basic_critical: bool | None = True,
    extra: x509.UnrecognizedExtension | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> x509.Certificate:
    usage = usage or x509.KeyUsage(
        digital_signature=not ca if digital_signature is None else digital_signature,
        key_cert_sign=ca if key_cert_sign is None else key_cert_sign,
        crl_sign=False,
        content_commitment=digital_signature is False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )
    basic = x509.BasicConstraints(ca=ca, path_length=path_length)
    for extension, critical in ((basic, basic_critical), (usage, usage_critical)):
        if critical is not None:  # None: it is not there
            builder = builder.add_extension(extension, critical=critical)
    if not ca and uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=True)
    return builder.sign(issuer_key, algorithm or hashes.SHA256())


def _name(name: str) -> x509.Name:
    attributes = ((NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "Acme"), (NameOID.COUNTRY_NAME, "DE"))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
