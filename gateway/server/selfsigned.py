"""A certificate of one's own, to try govgate with: a small authority that signs one server certificate and is forgotten."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from cryptography import x509

from gateway.core.certificates import issued_by, make_authority, make_server, read_pair, service_names
from gateway.core.errors import GovgateError

VALID_DAYS = 90
_RENEW_DAYS = 7


def ensure_self_signed(folder: Path, *, namespace: str) -> None:
    """Make ``tls.crt``, ``tls.key`` and ``ca.crt`` in ``folder``, unless they are there and good for a week more.

    The certificate is for localhost and for the service ``govgate`` in ``namespace``; ``ca.crt`` is what a webhook
    registration names as ``caBundle``.

    Raises:
        GovgateError: the folder cannot be written.
    """
    if _good(folder):
        return
    now = dt.datetime.now(dt.UTC)
    authority = make_authority("govgate self-signed authority", days=VALID_DAYS, now=now)
    names = ["localhost", *service_names("govgate", namespace), "127.0.0.1", "::1"]
    server = make_server(authority, names, days=VALID_DAYS, now=now)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "tls.key", server.key_pem)
        _write(folder / "tls.crt", server.certificate_pem)
        _write(folder / "ca.crt", authority.certificate_pem)
    except OSError as error:
        raise GovgateError(f"cannot write a certificate to {folder}: {error.strerror}") from None


def _good(folder: Path) -> bool:
    try:
        pair = read_pair((folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes())
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    except (OSError, ValueError):
        return False
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=_RENEW_DAYS)
    return pair is not None and issued_by(pair.certificate, authority) and pair.certificate.not_valid_after_utc > soon


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and readable by its owner only."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)
