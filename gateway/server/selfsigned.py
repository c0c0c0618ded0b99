"""A certificate of one's own, to try govgate with: a small authority that signs one server certificate and is forgotten."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.errors import GovgateError

VALID_DAYS = 90
_RENEW_DAYS = 7
_CLOCK_SKEW = dt.timedelta(minutes=5)


def ensure_self_signed(folder: Path, *, namespace: str) -> None:
    """Make ``tls.crt``, ``tls.key`` and ``ca.crt`` in ``folder``, unless they are there and good for a week more.

    The certificate is for localhost and for the service ``govgate`` in ``namespace``; ``ca.crt`` is what a webhook
    registration names as ``caBundle``.

    Raises:
        GovgateError: the folder cannot be written.
    """
    if _good(folder):
        return
    authority_key, authority = _authority()
    key, certificate = _server(authority_key, authority, namespace)
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "tls.key", key_pem)
        _write(folder / "tls.crt", certificate.public_bytes(pem))
        _write(folder / "ca.crt", authority.public_bytes(pem))
    except OSError as error:
        raise GovgateError(f"cannot write a certificate to {folder}: {error.strerror}") from None


def _good(folder: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        certificate.verify_directly_issued_by(authority)
        key = serialization.load_pem_private_key((folder / "tls.key").read_bytes(), None)
    except Exception:  # noqa: BLE001 - InvalidSignature and whatever else: then it is made anew
        return False
    soon = _now() + dt.timedelta(days=_RENEW_DAYS)
    return key.public_key() == certificate.public_key() and certificate.not_valid_after_utc > soon


def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("govgate self-signed authority")
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _server(
    authority_key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, namespace: str
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    service = f"govgate.{namespace}.svc"
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", service, f"{service}.cluster.local")]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    certificate = (
        _builder(_name("govgate"), authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return key, certificate


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and readable by its owner only."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)
