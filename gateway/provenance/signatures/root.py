"""Sigstore trusted roots: which logs, certificate authorities and time-stamp authorities count, and when.

Every one of them has a window of time (``validFor``), and counts for what happened in it: the entry of a log, the
certificate of an authority. Source: sigstore/protobuf-specs, sigstore_trustroot.proto, in protobuf's JSON.
"""

from __future__ import annotations

import functools
import importlib.resources
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from cryptography import x509

from gateway.core.errors import ConfigError
from gateway.core.text import shown
from gateway.provenance.evidence import Hash
from gateway.provenance.signatures.keys import KeyKindError, PublicKey, load_der_key

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
MAX_ROOT_BYTES = 1024 * 1024
_PUBLIC_GOOD = "https://tuf-repo-cdn.sigstore.dev"
_KEY_HASHES: dict[str, Hash] = {
    "PKIX_ECDSA_P256_SHA_256": "sha256",
    "PKIX_ECDSA_P384_SHA_384": "sha384",
    "PKIX_ECDSA_P521_SHA_512": "sha512",
    "PKIX_ED25519": "",
    "PKCS1_RSA_PKCS1V5": "sha256",
    "PKIX_RSA_PKCS1V15_2048_SHA256": "sha256",
    "PKIX_RSA_PKCS1V15_3072_SHA256": "sha256",
    "PKIX_RSA_PKCS1V15_4096_SHA256": "sha256",
}


class Window(msgspec.Struct, frozen=True):
    """From ``start`` to ``end``, both included; without an end, for ever. A start is required."""

    start: datetime
    end: datetime | None = None

    def holds(self, time: datetime) -> bool:
        """Whether the time is in it."""
        return self.start <= time and (self.end is None or time <= self.end)

    def __str__(self) -> str:
        return f"{self.start.isoformat()} {f'to {self.end.isoformat()}' if self.end else 'on'}"


class Log(msgspec.Struct, frozen=True):
    """A transparency log, or one for certificates."""

    id: bytes
    url: str
    key: PublicKey
    window: Window


class Chain(msgspec.Struct, frozen=True):
    """A certificate authority or a time-stamp authority: its certificates, from the issuing (signing) one to the root.

    ``window`` is the root's word on when it counts, ``valid`` the time in which all of the certificates are.
    """

    certificates: tuple[x509.Certificate, ...]
    window: Window
    valid: Window


class TrustedRoot(msgspec.Struct, frozen=True):
    """What a Sigstore instance is trusted by.

    ``names_certificate_logs``: whether it has any, be it only with keys of kinds that are not known here.
    """

    logs: tuple[Log, ...]
    authorities: tuple[Chain, ...]
    certificate_logs: tuple[Log, ...]
    timestamp_authorities: tuple[Chain, ...]
    names_certificate_logs: bool
    raw: bytes


class _Struct(msgspec.Struct, rename="camel"):
    pass


class _Key(_Struct):
    raw_bytes: bytes
    key_details: str
    valid_for: Window


class _LogId(_Struct):
    key_id: bytes


class _Log(_Struct):
    public_key: _Key
    log_id: _LogId
    base_url: str = ""


class _Certificate(_Struct):
    raw_bytes: bytes


class _Certificates(_Struct):
    certificates: tuple[_Certificate, ...]


class _Authority(_Struct):
    cert_chain: _Certificates
    valid_for: Window


class _Root(_Struct):
    media_type: str
    tlogs: tuple[_Log, ...] = ()
    certificate_authorities: tuple[_Authority, ...] = ()
    ctlogs: tuple[_Log, ...] = ()
    timestamp_authorities: tuple[_Authority, ...] = ()


@functools.lru_cache(maxsize=32)
def read_root(data: bytes) -> TrustedRoot:
    """A trusted root from its JSON; b"" is the public-good instance's, as the sigstore package carries it.

    Raises:
        ConfigError: malformed, or of an unknown version, or one of its keys cannot be read.
    """
    if not data:
        return read_root(_public_good())
    if len(data) > MAX_ROOT_BYTES:
        raise ConfigError(f"the trusted root has more than {MAX_ROOT_BYTES} bytes")
    try:
        root = msgspec.json.decode(data, type=_Root)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ConfigError(f"the trusted root cannot be read: {shown(str(error))}") from None
    if root.media_type != MEDIA_TYPE:
        raise ConfigError(f"the trusted root is of an unknown type: {shown(root.media_type)}")
    return TrustedRoot(
        logs=_logs(root.tlogs),
        authorities=tuple(_chain(authority) for authority in root.certificate_authorities),
        certificate_logs=_logs(root.ctlogs),
        timestamp_authorities=tuple(_chain(authority) for authority in root.timestamp_authorities),
        names_certificate_logs=bool(root.ctlogs),
        raw=data,
    )


def _public_good() -> bytes:
    folder = importlib.resources.files("sigstore") / "_store" / quote(_PUBLIC_GOOD, safe="")
    return (folder / "trusted_root.json").read_bytes()


def _logs(logs: tuple[_Log, ...]) -> tuple[Log, ...]:
    """Those with a key of a known kind. One of a kind to come is not known here, and the others count all the same."""
    return tuple(_log(log) for log in logs if log.public_key.key_details in _KEY_HASHES)


def _log(log: _Log) -> Log:
    try:
        key = load_der_key(log.public_key.raw_bytes, _KEY_HASHES[log.public_key.key_details])
    except KeyKindError as error:
        raise ConfigError(f"the trusted root has a log with a key that cannot be used: {error}") from None
    return Log(log.log_id.key_id, log.base_url, key, _aware(log.public_key.valid_for))


def _chain(authority: _Authority) -> Chain:
    try:
        loaded: Any = [x509.load_der_x509_certificate(item.raw_bytes) for item in authority.cert_chain.certificates]
        valid = [(item.not_valid_before_utc, item.not_valid_after_utc) for item in loaded]
    except Exception:  # noqa: BLE001 - InvalidVersion, of a certificate of v1 or v5, is no ValueError
        raise ConfigError("the trusted root has a certificate that cannot be read") from None
    if not loaded:
        raise ConfigError("the trusted root has an authority without certificates")
    all_valid = Window(max(start for start, _ in valid), min(end for _, end in valid))
    return Chain(tuple(loaded), _aware(authority.valid_for), all_valid)


def _aware(window: Window) -> Window:
    if any(time is not None and time.tzinfo is None for time in (window.start, window.end)):
        raise ConfigError("the trusted root has a time without a zone")
    return window
