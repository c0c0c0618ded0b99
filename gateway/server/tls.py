"""Certificates of the admission listener: read and verified as a whole, then turned into a new SSLContext.

A context is never changed once it is in use: a failed ``load_cert_chain`` leaves the context it was called on
unable to serve any later handshake (docs/adr/0003-tls-rotation-by-new-listener.md).
"""

from __future__ import annotations

import os
import ssl
import time

import msgspec

from gateway.config.files import read_together
from gateway.config.model import Tls
from gateway.core.errors import ConfigError

MAX_PEM_BYTES = 1024 * 1024


class Material(msgspec.Struct, frozen=True):
    """PEM bytes of one moment. ``client_ca`` is empty where clients need no certificate."""

    certificate: bytes
    key: bytes
    client_ca: bytes = b""
    client_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the private key: a repr ends up in tracebacks."""
        return f"Material({len(self.certificate)} bytes of certificates)"


def paths_of(tls: Tls) -> tuple[str, ...]:
    """The files that the configuration names."""
    return tuple(path for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if path)


def read_material(tls: Tls) -> Material:
    """Read the files of ``tls``; nothing is verified yet.

    Raises:
        ConfigError: a file cannot be read, or is too large.
    """
    certificate, key, *client_ca = read_together(paths_of(tls), max_bytes=MAX_PEM_BYTES)
    return Material(certificate, key, client_ca[0] if client_ca else b"", tls.client_names)


def build_context(material: Material) -> ssl.SSLContext:
    """A new server context: TLS 1.2 or later, HTTP/1.1.

    Raises:
        ConfigError: the key does not belong to the certificate, or something is not PEM; never quotes the key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, material)
    if material.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cadata=material.client_ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"client CA: no certificates in PEM: {_reason(error)}") from None
    return context


def verify(material: Material) -> float:
    """Check everything that can be wrong with ``material`` before it is used.

    Returns:
        When the certificate expires, in seconds since the epoch.

    Raises:
        ConfigError: see :func:`build_context`; or the certificate has expired.
    """
    # Only the supervisor needs X.509: workers are spared its 5 MB.
    from cryptography import x509  # noqa: PLC0415 - see above

    build_context(material)
    try:
        leaf = x509.load_pem_x509_certificates(material.certificate)[0]
    except ValueError as error:
        raise ConfigError(f"certificate: {error}") from None
    expiry = leaf.not_valid_after_utc.timestamp()
    if expiry <= time.time():
        raise ConfigError(f"certificate: expired at {leaf.not_valid_after_utc.isoformat()}")
    return expiry


def client_name_allowed(peer: object, names: tuple[str, ...]) -> bool:
    """Whether the common name in ``peer``, a dict of ``SSLSocket.getpeercert()``, is one of ``names``."""
    subject = peer.get("subject", ()) if isinstance(peer, dict) else ()
    return any(key == "commonName" and value in names for part in subject for key, value in part)


def _load_pair(context: ssl.SSLContext, material: Material) -> None:
    """OpenSSL reads files only: an anonymous one in memory keeps the key off any disk."""
    descriptor = os.memfd_create("govgate-tls", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(material.certificate + b"\n" + material.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    except ssl.SSLError as error:
        raise ConfigError(f"certificate and key: {_reason(error)}") from None
    finally:
        os.close(descriptor)


def _no_password() -> str:
    raise ConfigError("the private key is encrypted; govgate cannot ask for its password")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else "not readable as PEM"
