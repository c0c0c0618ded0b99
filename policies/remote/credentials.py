"""What the files of a configuration hold: an authority, a certificate, a token."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from gateway.config.opa import Opa, address_of
from gateway.core.errors import ConfigError
from policies.remote.errors import reason_of

_MAX_TOKEN_BYTES = 64 * 1024


class Credentials(msgspec.Struct, frozen=True):
    """What the files held when they were read."""

    tls: ssl.SSLContext | None
    token: str


def read_credentials(opa: Opa) -> Credentials:
    """Read the authority, the certificate and the token.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.
    """
    return Credentials(_tls(opa) if address_of(opa.url).tls else None, _token(opa.token_file))


def _tls(opa: Opa) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=opa.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"policy.opa.caFile: {opa.ca_file}: {reason_of(error)}") from None
    if opa.cert_file:
        try:
            context.load_cert_chain(opa.cert_file, opa.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"policy.opa.certFile: {opa.cert_file}, {opa.key_file}: {reason_of(error)}") from None
    return context


def _token(path: str) -> str:
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            token = file.read(_MAX_TOKEN_BYTES + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise ConfigError(f"policy.opa.tokenFile: {path}: {reason}") from None
    if not token or len(token) > _MAX_TOKEN_BYTES or not token.isprintable():
        raise ConfigError(f"policy.opa.tokenFile: {path}: holds no token")
    return token
