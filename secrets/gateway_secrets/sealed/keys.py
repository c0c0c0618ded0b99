"""Private keys: PEM files, and the TLS Secrets in which Bitnami's controller keeps its keys."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway_secrets.sealed.certificate import Certificate, parse_certificate
from gateway_secrets.sealed.documents import read_documents
from gateway_secrets.sealed.errors import CertificateError, InputError, KeyFileError

_PEM = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_MAX_KEYS = 10_000


def read_keys(data: bytes, *, source: str) -> list[RSAPrivateKey]:
    """The RSA keys in a file: PEM, or Secrets (or a List of them) in YAML or JSON, as ``kubectl get secret`` writes them.

    Raises:
        KeyFileError: it holds no key, or one that cannot be read.
    """
    if _PEM.search(data) and data.lstrip()[:1] != b"{" and b"tls.key" not in data:
        return list(_from_pem(data, source))
    try:
        documents = read_documents(data, source=source)
    except InputError:
        raise KeyFileError(f"{source}: holds neither a private key in PEM form nor Secrets with one") from None
    found = [key for document in documents for key, _ in _from_secret(document.value, source)]
    if not found:
        raise KeyFileError(f"{source}: holds no private key")
    return found


def key_of_secret(secret: Mapping[str, Any], *, source: str) -> tuple[RSAPrivateKey, Certificate]:
    """Key and certificate in a TLS Secret of the controller's.

    Raises:
        KeyFileError: there is no such key, or no certificate.
    """
    for key, certificate in _from_secret(secret, source):
        if certificate is not None:
            return key, certificate
    raise KeyFileError(f"{source}: holds no certificate beside its key")


def _from_secret(value: Any, source: str) -> Iterator[tuple[RSAPrivateKey, Certificate | None]]:
    """Every key in an object, or in the objects of a List."""
    if not isinstance(value, dict):
        raise KeyFileError(f"{source}: holds something that is no Secret")
    items = value.get("items")
    if isinstance(items, list) and len(items) <= _MAX_KEYS:
        for item in items:
            yield from _from_secret(item, source)
        return
    key, certificate = (_member(value, name) for name in ("tls.key", "tls.crt"))
    if key is None:
        raise KeyFileError(f"{source}: a Secret without a tls.key is no sealing key")
    try:
        parsed = parse_certificate(certificate, source=source) if certificate else None
    except CertificateError as error:
        raise KeyFileError(str(error)) from None
    for found in _from_pem(key, source):
        yield found, parsed


def _member(secret: Mapping[str, Any], name: str) -> bytes | None:
    """A value of a Secret."""
    plain, encoded = ((secret.get(field) or {}).get(name) for field in ("stringData", "data"))
    if isinstance(plain, str):
        return plain.encode()
    try:
        return binascii.a2b_base64(encoded) if isinstance(encoded, str) else None
    except ValueError:
        return None


def _from_pem(data: bytes, source: str) -> Iterator[RSAPrivateKey]:
    blocks: Sequence[re.Match[bytes]] = list(_PEM.finditer(data))
    if not blocks:
        raise KeyFileError(f"{source}: holds no private key in PEM form")
    for block in blocks:
        try:
            key = load_pem_private_key(block[0], password=None)
        except TypeError:
            raise KeyFileError(f"{source}: the key has a passphrase: remove it first (openssl rsa -in … )") from None
        except Exception:  # noqa: BLE001 - the parser raises what it likes, and may quote what it read
            raise KeyFileError(f"{source}: holds a private key that cannot be read") from None
        if not isinstance(key, RSAPrivateKey):
            raise KeyFileError(f"{source}: holds a key that is no RSA key")
        yield key


def unique(keys: Iterable[RSAPrivateKey]) -> list[RSAPrivateKey]:
    """Each key once, in order: a key is tried for every value."""
    return list({key.public_key().public_numbers(): key for key in keys}.values())
