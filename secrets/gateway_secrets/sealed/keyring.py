"""The keys of a controller: which there are, which one is sealed with, when the next is due, and how it is made.

Keys are TLS Secrets with the label ``sealedsecrets.bitnami.com/sealed-secrets-key: active``, as Bitnami's controller makes
and reads them (v0.40.0, ``pkg/controller/keys.go``, ``main.go``): both can work with the same ones. Pure, but for the
randomness of a new key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway_secrets.sealed.certificate import Certificate
from gateway_secrets.sealed.errors import KeyFileError
from gateway_secrets.sealed.hybrid import encode
from gateway_secrets.sealed.keys import key_of_secret
from gateway_secrets.sealed.scope import KEY_LABEL

KEY_BITS = 4096
VALIDITY = timedelta(days=3650)
RENEWAL = timedelta(days=30)
GENERATE_NAME = "sealed-secrets-key"
"""The beginning of the names of key Secrets; the one of exactly this name is a key even without the label."""
_CLOCKS = timedelta(minutes=5)
"""How much later than ours another clock may be."""


class Pair(msgspec.Struct, frozen=True):
    """One key with its certificate. ``seed``: 32 bytes that only who has the private key can know."""

    private: RSAPrivateKey
    certificate: Certificate
    seed: bytes

    def secret_for(self, purpose: str) -> bytes:
        """A secret of 32 bytes, another one for each purpose."""
        return hmac.digest(self.seed, purpose.encode(), "sha256")

    def __repr__(self) -> str:
        return f"Pair({self.certificate.fingerprint})"


class KeyRing(msgspec.Struct, frozen=True):
    """All keys, the newest first."""

    pairs: tuple[Pair, ...]

    @property
    def keys(self) -> list[RSAPrivateKey]:
        """The private keys, in the order in which they are tried."""
        return [pair.private for pair in self.pairs]

    @property
    def newest(self) -> Pair:
        """The one that is sealed with.

        Raises:
            KeyFileError: there is none.
        """
        if not self.pairs:
            raise KeyFileError("there is no sealing key yet")
        return self.pairs[0]

    def due(self, now: datetime, period: timedelta = RENEWAL) -> bool:
        """Whether a new key is to be made: there is none, or the newest is as old as ``period``; never with period 0."""
        if not self.pairs:
            return True
        return bool(period) and self.pairs[0].certificate.not_before + period <= now


def is_key(secret: Mapping[str, Any]) -> bool:
    """Whether a Secret is to be one of the keys, by its label or its name; not whether it can be read."""
    metadata = secret.get("metadata") or {}
    labels = metadata.get("labels") or {}
    return labels.get(KEY_LABEL) == "active" or metadata.get("name") == GENERATE_NAME


class Ring(msgspec.Struct, frozen=True):
    """What Secrets yield. ``problems``: of those that should be keys and are not, one line each."""

    ring: KeyRing
    problems: tuple[str, ...] = ()


def ring_of(secrets: Iterable[Mapping[str, Any]]) -> Ring:
    """The keys in Secrets of the controller's namespace. One that cannot be read does not take the others away."""
    found: dict[str, Pair] = {}
    problems = []
    for secret in secrets:
        if not is_key(secret):
            continue
        name = str(secret["metadata"].get("name", ""))
        try:
            key, certificate = key_of_secret(secret, source=f"Secret {name}")
        except KeyFileError as error:
            problems.append(str(error))
            continue
        if key.public_key() != certificate.public_key:
            problems.append(f"Secret {name}: its certificate is not of its key")
            continue
        found[certificate.fingerprint] = Pair(key, certificate, _seed(key))
    order = sorted(found.values(), key=lambda pair: (pair.certificate.not_before, pair.certificate.fingerprint))
    return Ring(KeyRing(tuple(reversed(order))), tuple(problems))


def new_key(namespace: str, now: datetime, *, bits: int = KEY_BITS, validity: timedelta = VALIDITY) -> dict[str, Any]:
    """The Secret of a new key, to be created: the API server gives it its name."""
    key = generate_private_key(65537, bits)
    name = x509.Name([])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - _CLOCKS, now + validity
    )
    usage = dict.fromkeys(_USAGES, False) | {"key_agreement": True, "encipher_only": True}
    signed = (
        builder.add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    metadata = {"namespace": namespace, "generateName": GENERATE_NAME, "labels": {KEY_LABEL: "active"}}
    data = {"tls.crt": encode(signed.public_bytes(Encoding.PEM)), "tls.key": encode(private)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}


_USAGES: Sequence[str] = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _seed(key: RSAPrivateKey) -> bytes:
    exponent = key.private_numbers().d.to_bytes((key.key_size + 7) // 8, "big")
    return hmac.digest(exponent, b"govgate sealing key 1", "sha256")
