"""Keys, certificates and Secrets for the tests of sealing. Small keys, each made once: RSA 2048."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.planted import PLANTED

from gateway_secrets.sealed.certificate import Certificate, parse_certificate
from gateway_secrets.sealed.digest import DigestKey
from gateway_secrets.sealed.objects import Sealed, Secret, sealed_of, secret_of
from gateway_secrets.sealed.sealing import Sealing

Json = dict[str, Any]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
CANARY = "hunter2-the-plaintext"
"""A plaintext that must not be seen anywhere."""
PLAINTEXT = PLANTED.plant("plaintext")
"""The same for tests on servers: it is searched for in all that was said in a run."""


@cache
def _generated(name: str) -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def private_key(name: str = "a") -> RSAPrivateKey:
    """A key of its own for each name."""
    return _generated(name)


def certificate_pem(name: str = "a", days: float = 3650, since: datetime = NOW - timedelta(days=30)) -> bytes:
    """A certificate of that key, good for so many days from :data:`NOW` on, as the controller signs it for itself."""
    return _signed(name, days, since)


@cache
def _signed(name: str, days: float, since: datetime) -> bytes:
    key, subject = private_key(name), x509.Name([])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(since).not_valid_after(NOW + timedelta(days=days))
    return dated.sign(key, SHA256()).public_bytes(Encoding.PEM)


def certificate(name: str = "a", days: float = 3650) -> Certificate:
    """The same, read."""
    return parse_certificate(certificate_pem(name, days), source="test")


def key_pem(name: str = "a", form: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> bytes:
    """The key in PEM form: PKCS#1, as the controller keeps it."""
    return private_key(name).private_bytes(Encoding.PEM, form, NoEncryption())


def key_secret(name: str = "a") -> Json:
    """The Secret in which the controller keeps a key."""
    return {
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": f"sealed-secrets-key-{name}", "namespace": "kube-system",
                     "labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}},
        "data": {"tls.crt": encoded(certificate_pem(name)), "tls.key": encoded(key_pem(name))},
    }  # fmt: skip


def encoded(value: bytes) -> str:
    """Base64."""
    return base64.b64encode(value).decode()


def secret(name: str = "db", namespace: str = "web", /, **values: str | bytes) -> Secret:
    """A Secret with these values."""
    raw = {key: value.encode() if isinstance(value, str) else value for key, value in values.items()}
    return Secret(name, namespace, raw or {"password": CANARY.encode()})


def secret_document(name: str = "db", namespace: str = "web", /, **values: str) -> Json:
    """The manifest of one."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values or {"password": CANARY}}


def read_secret(document: Json) -> Secret:
    """A Secret from its manifest."""
    return secret_of(document, where="test")


def read_sealed(document: Json) -> Sealed:
    """A SealedSecret from its manifest, as it comes back from a file."""
    return sealed_of(msgspec.json.decode(msgspec.json.encode(document)), where="test")


def sealing(name: str = "a", digests: bytes | None = b"k" * 32, **more: Any) -> Sealing:
    """How to seal for the key of that name."""
    chosen = DigestKey(digests) if digests is not None else None
    return Sealing(certificate(name), NOW, digests=chosen, **more)
