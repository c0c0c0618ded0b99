"""A time-stamp authority in memory: RFC 3161 responses, encoded by hand, for no library makes them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.provenance.signatures.der import elements

_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_DER = serialization.Encoding.DER


class TimestampAuthority:
    """A root, and a signing certificate below it, ``uses`` what it is for; or (``alone``) one that signed itself."""

    def __init__(
        self,
        uses: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
        *,
        critical: bool = True,
        days: int = 3650,
        alone: bool = False,
        curve: type[ec.EllipticCurve] = ec.SECP256R1,
    ) -> None:
        root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(curve())
        root = _certificate("test TSA root", root_key, "test TSA root", root_key, None)
        leaf_use = x509.ExtendedKeyUsage(uses), critical
        issuer, issuer_key = ("test TSA", self._key) if alone else ("test TSA root", root_key)
        self._leaf = _certificate("test TSA", self._key, issuer, issuer_key, leaf_use, days=days)
        self.chain = [self._leaf] if alone else [self._leaf, root]

    @property
    def anchors(self) -> str:
        """The root, in PEM."""
        return self.chain[-1].public_bytes(serialization.Encoding.PEM).decode()

    def stamp(self, message: bytes, at: datetime) -> bytes:
        """A TimeStampResp, granted, over the SHA-256 of the message."""
        return response(self.token(message, at))

    def token(
        self,
        message: bytes,
        at: datetime,
        *,
        imprint: bytes = b"",
        accuracy: bytes = b"",
        nonce: int | None = None,
        policy: str = "1.2.3.4.1",
        carried: Sequence[x509.Certificate] | None = None,
    ) -> bytes:
        """A TimeStampToken over the SHA-256 of the message, or over an ``imprint`` (DER of a MessageImprint).

        ``accuracy``: the DER of one. ``carried``: the certificates in it; by default the signing one.
        """
        sha256 = _sequence(_oid("2.16.840.1.101.3.4.2.1"))
        listed = [self._leaf] if carried is None else carried
        imprint = imprint or _sequence(sha256, _tlv(0x04, hashlib.sha256(message).digest()))
        time = _tlv(0x18, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())
        asked = b"" if nonce is None else _integer(nonce)
        info = _sequence(_integer(1), _oid(policy), imprint, _integer(7), time, accuracy, asked)
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
            _tlv(0xA0, b"".join(one.public_bytes(_DER) for one in listed)),
            _tlv(0x31, signer),
        )
        return _sequence(_oid("1.2.840.113549.1.7.2"), _tlv(0xA0, signed))


@contextmanager
def served(authority: TimestampAuthority) -> Iterator[str]:
    """The authority over HTTP on loopback; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            (outer,) = elements(asked, 0, len(asked))
            _, imprint, *rest = elements(asked, outer.content, outer.end)
            nonce = next(int.from_bytes(asked[one.content : one.end], "big") for one in rest if one.tag == 0x02)
            wanted = asked[imprint.start : imprint.end]
            carried = authority.chain[::-1]  # as they come: real ones keep no order
            token = authority.token(b"", datetime.now(UTC), imprint=wanted, nonce=nonce, carried=carried)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(response(token))

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def response(token: bytes) -> bytes:
    """A TimeStampResp, granted, with a token."""
    return _sequence(_sequence(_integer(0)), token)


def accuracy(seconds: int, millis: int = 0) -> bytes:
    """How accurate a time is, as a token says it."""
    return _sequence(_integer(seconds), _tlv(0x80, bytes((millis >> 8, millis & 0xFF))) if millis else b"")


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    leaf_use: tuple[x509.ExtendedKeyUsage, bool] | None,
    *,
    days: int = 3650,
) -> x509.Certificate:
    ca = leaf_use is None
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= dict.fromkeys(("crl_sign", "encipher_only", "decipher_only"), False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_EPOCH)
        .not_valid_after(_EPOCH + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, **usage), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if leaf_use is not None:
        builder = builder.add_extension(leaf_use[0], critical=leaf_use[1])
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
