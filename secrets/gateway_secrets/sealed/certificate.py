"""The certificate that values are sealed with: an RSA key, and how long it may be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway_secrets.sealed.errors import CertificateError

MAX_BYTES = 1024 * 1024
_MINIMUM_BITS = 2048


class Certificate(msgspec.Struct, frozen=True):
    """``fingerprint``: SHA-256 of the certificate, 64 hex digits, as ``openssl x509 -fingerprint -sha256`` shows it."""

    public_key: RSAPublicKey
    fingerprint: str
    not_before: datetime
    not_after: datetime
    pem: bytes


def parse_certificate(data: bytes, *, source: str) -> Certificate:
    """The first certificate of a PEM file, which is the one that kubeseal takes.

    Raises:
        CertificateError: there is none, or its key is not an RSA key of at least 2,048 bits.
    """
    if b"PRIVATE KEY" in data:
        raise CertificateError(f"{source}: holds a private key: sealing needs the certificate only, keep the key away")
    try:
        found = x509.load_pem_x509_certificates(data)[0]
        key = found.public_key()
    except Exception:  # noqa: BLE001 - the parser raises what it likes; the bytes are the caller's
        raise CertificateError(f"{source}: holds no certificate in PEM form") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MINIMUM_BITS:
        raise CertificateError(f"{source}: sealing needs an RSA key of at least {_MINIMUM_BITS} bits")
    return Certificate(
        key,
        found.fingerprint(SHA256()).hex(),
        found.not_valid_before_utc,
        found.not_valid_after_utc,
        found.public_bytes(Encoding.PEM),
    )


def refuse_expired(certificate: Certificate, *, source: str, now: datetime, until: datetime | None = None) -> None:
    """Refuse what may no longer be used. ``until``: an earlier end than the certificate's own, if there is one.

    Raises:
        CertificateError: it is expired.
    """
    end = expiry(certificate, until)
    if now > end:
        raise CertificateError(
            f"{source}: expired on {end:%Y-%m-%d}: fetch the controller's present certificate (govgate seal fetch-cert URL)"
        )


def warning(
    certificate: Certificate, *, source: str, now: datetime, days: int, until: datetime | None = None
) -> str | None:
    """What a person should know about a certificate that may be used, if anything."""
    end = expiry(certificate, until)
    if now + timedelta(days=days) >= end:
        return f"{source}: expires on {end:%Y-%m-%d}, in {(end - now).days} days"
    if now < certificate.not_before:
        return f"{source}: is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC: is a clock wrong?"
    return None


def expiry(certificate: Certificate, until: datetime | None) -> datetime:
    """The earlier of the two ends."""
    return min(certificate.not_after, until) if until is not None else certificate.not_after


def now_utc() -> datetime:
    """The present time."""
    return datetime.now(UTC)
