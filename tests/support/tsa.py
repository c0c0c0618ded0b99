"""A time-stamp authority in memory: RFC 3161 responses, encoded by hand, for no library makes them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_DER = serialization.Encoding.DER


class TimestampAuthority:
    """A root, and a signing certificate below it."""

    def __init__(self) -> None:
        root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        root = _certificate("test TSA root", root_key, "test TSA root", root_key, ca=True)
        self._leaf = _certificate("test TSA", self._key, "test TSA root", root_key, ca=False)
        self.chain = [self._leaf, root]

    def stamp(self, message: bytes, at: datetime) -> bytes:
        """A TimeStampResp, granted, over the SHA-256 of the message."""
        sha256 = _sequence(_oid("2.16.840.1.101.3.4.2.1"))
        imprint = _sequence(sha256, _tlv(0x04, hashlib.sha256(message).digest()))
        time = _tlv(0x18, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())
        info = _sequence(_integer(1), _oid("1.2.3.4.1"), imprint, _integer(7), time)
        token_type = _oid("1.2.840.113549.1.9.16.1.4")
        certificate = self._leaf.public_bytes(_DER)
        # ESSCertIDv2 with its default hash, SHA-256
        signing = _sequence(_sequence(_sequence(_tlv(0x04, hashlib.sha256(certificate).digest()))))
        attributes = b"".join(
            sorted(
                (
                    _sequence(_oid("1.2.840.113549.1.9.3"), _tlv(0x31, token_type)),
                    _sequence(_oid("1.2.840.113549.1.9.4"), _tlv(0x31, _tlv(0x04, hashlib.sha256(info).digest()))),
                    _sequence(_oid("1.2.840.113549.1.9.16.2.47"), _tlv(0x31, signing)),
                )
            )
        )
        signature = self._key.sign(_tlv(0x31, attributes), ec.ECDSA(hashes.SHA256()))
        issuer = self._leaf.issuer.public_bytes()
        signer = _sequence(
            _integer(1),
            _sequence(issuer, _integer(self._leaf.serial_number)),
            sha256,
            _tlv(0xA0, attributes),
            _sequence(_oid("1.2.840.10045.4.3.2")),
            _tlv(0x04, signature),
        )
        signed = _sequence(
            _integer(3),
            _tlv(0x31, sha256),
            _sequence(token_type, _tlv(0xA0, _tlv(0x04, info))),
            _tlv(0xA0, certificate),
            _tlv(0x31, signer),
        )
        content = _sequence(_oid("1.2.840.113549.1.7.2"), _tlv(0xA0, signed))
        return _sequence(_sequence(_integer(0)), content)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, *, ca: bool
):
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_EPOCH)
        .not_valid_after(_EPOCH + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    encoded = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(encoded)]) + encoded + content


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytearray()
    for number in (first * 40 + second, *rest):
        encoded = [number & 0x7F]
        while number := number >> 7:
            encoded.append(0x80 | number & 0x7F)
        content += bytes(reversed(encoded))
    return _tlv(0x06, bytes(content))
