"""Public keys: how each kind verifies, and when a key was good."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Hash, Key
from gateway.provenance.signatures.ed25519ph import verifies_prehashed
from gateway.provenance.signatures.refusal import RefusedError

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_PEM_BYTES = 64 * 1024

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_CURVES: dict[str, Hash] = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}


class KeyKindError(ValueError):
    """Not a kind of key that signatures are made with here."""


class PublicKey:
    """A key with all that verifying takes. ``hash`` is "" for Ed25519, which signs messages whole."""

    def __init__(self, key: Any, hash_name: Hash = "", rsa_padding: Literal["pkcs1v15", "pss"] = "pkcs1v15") -> None:
        """Raises KeyKindError for a curve, a size or a kind of key that is not accepted."""
        self._key: Any = key
        self._padding = rsa_padding
        self.hash: Hash = _hash_of(key, hash_name)
        self.der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(self.der).digest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's, over the message."""
        if isinstance(self._key, ed25519.Ed25519PublicKey):
            return _holds(self._key.verify, signature, message)
        return self._verifies(signature, message, HASHES[self.hash]())

    def signed(self, signature: bytes, message: bytes) -> bool:
        """As ``verifies``; where the key is an Ed25519 key, its prehashed form will do as well, as cosign makes it."""
        if self.verifies(signature, message):
            return True
        if not isinstance(self._key, ed25519.Ed25519PublicKey):
            return False
        return verifies_prehashed(self._key.public_bytes_raw(), signature, message)

    def verifies_digest(self, signature: bytes, digest: bytes) -> bool:
        """Whether the signature is this key's, over a message of which only the digest is known: by ``hash``, if any."""
        algorithm = HASHES[self.hash]()
        return len(digest) == algorithm.digest_size and self._verifies(signature, digest, utils.Prehashed(algorithm))

    def _verifies(self, signature: bytes, data: bytes, algorithm: hashes.HashAlgorithm | utils.Prehashed) -> bool:
        if isinstance(self._key, ec.EllipticCurvePublicKey):
            return _holds(self._key.verify, signature, data, ec.ECDSA(algorithm))
        return _holds(self._key.verify, signature, data, _rsa_padding(self._padding, self.hash), algorithm)


class TrustedKey:
    """A key of an authority: its name, and when a signature by it counts."""

    def __init__(self, settings: Key) -> None:
        self._settings = settings
        self.public = read_public_key(settings)
        self.id = settings.id or f"sha256:{self.public.fingerprint.hex()}"

    @property
    def not_after(self) -> datetime | None:
        """Until when it counts, if there is an end."""
        return self._settings.not_after

    def check_valid(self, proven: datetime | None, now: datetime) -> None:
        """Refuse a signature made when the key was not good.

        ``proven`` is when the signature demonstrably existed. With nothing proven it may have been made at any time
        up to now: the key must then be good now, and never have been revoked.
        """
        key, at = self._settings, proven or now
        when = f"the signature was made by {proven.isoformat()}" if proven else "no time is proven for the signature"
        if key.not_before is not None and at < key.not_before:
            self._refuse(f"{when}, and the key counts from {key.not_before.isoformat()}")
        if key.not_after is not None and at > key.not_after:
            self._refuse(f"{when}, and the key counted until {key.not_after.isoformat()}")
        if key.revoked_at is not None and (proven is None or proven >= key.revoked_at):
            self._refuse(f"{when}, and the key was revoked at {key.revoked_at.isoformat()}")

    def _refuse(self, reason: str) -> None:
        remedy = "sign again with a key in force, or prove by a log or a time stamp that it was signed in time"
        raise RefusedError("key-validity", f"key {self.id}: {reason}", remedy)


def read_public_key(settings: Key) -> PublicKey:
    """The public key of the settings.

    Raises:
        ConfigError: it is not a public key in PEM of a kind that is accepted, or its times have no time zone.
    """
    name = f"key {settings.id}" if settings.id else "key"
    for time in (settings.not_before, settings.not_after, settings.revoked_at):
        if time is not None and time.tzinfo is None:
            raise ConfigError(f"{name}: {time.isoformat()} has no time zone")
    if len(settings.pem) > MAX_PEM_BYTES:
        raise ConfigError(f"{name}: more than {MAX_PEM_BYTES} bytes")
    if "PRIVATE KEY" in settings.pem:
        raise ConfigError(f"{name}: this is a private key; give the public one (cosign public-key --key FILE)")
    try:
        key = serialization.load_pem_public_key(settings.pem.encode())
    except Exception:  # noqa: BLE001 - whatever the library says about such bytes
        raise ConfigError(f"{name}: not a public key in PEM (-----BEGIN PUBLIC KEY-----)") from None
    try:
        return PublicKey(key, settings.hash, settings.padding)
    except KeyKindError as error:
        raise ConfigError(f"{name}: {error}") from None


def load_der_key(der: bytes, hash_name: Hash = "") -> PublicKey:
    """A key from DER.

    Raises:
        KeyKindError: not a key, or not of a kind that is accepted.
    """
    try:
        key = serialization.load_der_public_key(der)
    except Exception:  # noqa: BLE001 - whatever the library says about such bytes
        raise KeyKindError("not a public key in DER") from None
    return PublicKey(key, hash_name)


def _hash_of(key: object, given: Hash) -> Hash:
    """The hash that the key signs with, if the settings do not say."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise KeyKindError(f"curve {key.curve.name} is not accepted; P-256, P-384 and P-521 are")
        return given or _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise KeyKindError(f"RSA keys have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, this one has {key.key_size}")
        return given or "sha256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        if given:
            raise KeyKindError(f"Ed25519 takes no hash ({given} is set)")
        return ""
    raise KeyKindError("only ECDSA, Ed25519 and RSA keys are accepted")


def _rsa_padding(name: str, hash_name: str) -> padding.AsymmetricPadding:
    if name == "pss":
        return padding.PSS(padding.MGF1(HASHES[hash_name]()), padding.PSS.AUTO)
    return padding.PKCS1v15()


def _holds(verify: Any, *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except InvalidSignature:
        return False
    return True
