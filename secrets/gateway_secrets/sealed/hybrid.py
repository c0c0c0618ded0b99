"""Sealing bytes: a fresh AES-256-GCM key for each value, itself encrypted with RSA-OAEP.

A blob is the length of the RSA part (two bytes, big-endian), the RSA part, the GCM part with its tag. OAEP is with
SHA-256 (for MGF1 too) and a label; the nonce is twelve zero bytes, since no session key is used twice; there is no
associated data. Source: bitnami-labs/sealed-secrets v0.40.0, ``pkg/crypto/crypto.go``.
"""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from gateway_secrets.sealed.errors import MalformedBlobError, UnsealError

_SESSION_KEY_BYTES = 32
_NONCE = bytes(12)
_TAG_BYTES = 16
_HEAD_BYTES = 2
_RSA_BYTES = range(128, 2049)
"""1,024 to 16,384 bits."""
_LINE_BREAKS = re.compile(r"[\r\n]+")


def seal(public_key: RSAPublicKey, plaintext: bytes, label: bytes) -> bytes:
    """A new blob: sealing the same bytes again gives another one."""
    session_key = os.urandom(_SESSION_KEY_BYTES)
    wrapped = public_key.encrypt(session_key, _oaep(label))
    return len(wrapped).to_bytes(_HEAD_BYTES, "big") + wrapped + AESGCM(session_key).encrypt(_NONCE, plaintext, None)


def unseal(private_keys: Iterable[RSAPrivateKey], blob: bytes, label: bytes) -> bytes:
    """The plaintext. Every key is tried, in the order given.

    Raises:
        MalformedBlobError: it is not built as a blob.
        UnsealError: no key opens it.
    """
    wrapped, sealed = split(blob)
    for key in private_keys:
        try:
            return AESGCM(key.decrypt(wrapped, _oaep(label))).decrypt(_NONCE, sealed, None)
        except (ValueError, InvalidTag):
            continue
    raise UnsealError("no key opens it: it is sealed for another key, name, namespace or scope, or it was changed")


def split(blob: bytes) -> tuple[bytes, bytes]:
    """The RSA part and the GCM part.

    Raises:
        MalformedBlobError: too short for what its own first bytes announce, or for any key.
    """
    length = int.from_bytes(blob[:_HEAD_BYTES], "big")
    if len(blob) < _HEAD_BYTES or length not in _RSA_BYTES:
        raise MalformedBlobError("it does not begin as a sealed value does")
    if len(blob) < _HEAD_BYTES + length + _TAG_BYTES:
        raise MalformedBlobError("it is cut short")
    return blob[_HEAD_BYTES : _HEAD_BYTES + length], blob[_HEAD_BYTES + length :]


def encode(blob: bytes) -> str:
    """Base64, as it stands in ``spec.encryptedData``."""
    return binascii.b2a_base64(blob, newline=False).decode()


def decode(text: str) -> bytes:
    """The blob of such text; line breaks in it are skipped, as Go's decoder does.

    Raises:
        MalformedBlobError: it is no base64.
    """
    try:
        return binascii.a2b_base64(_LINE_BREAKS.sub("", text), strict_mode=True)
    except ValueError:
        raise MalformedBlobError("it is no base64") from None


def _oaep(label: bytes) -> OAEP:
    return OAEP(MGF1(SHA256()), SHA256(), label)
