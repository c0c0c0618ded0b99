"""The format of the embedded store: one file, all of it encrypted and authenticated with one key. Pure.

The file is a first line that names format and key, then AES-256-GCM of the whole content: a nonce of 12 bytes, the
ciphertext, the tag of 16 bytes. The first line is authenticated too. Names, sizes and versions of single secrets are
not to be seen, and none of them can be replaced by an older one alone.
"""

from __future__ import annotations

import hashlib
import os
import re

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway_secrets.stores.errors import MisconfiguredError, UnusableError

KEY_BYTES = 32
MAX_BYTES = 64 * 1024 * 1024
KEPT_VERSIONS = 10
"""Of each secret; older ones are forgotten."""
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER = re.compile(rb"govgate-secrets v1 key=([0-9a-f]{16}) bytes=([0-9]{1,12})\n")
_HEX_KEY = re.compile(rb"[0-9a-fA-F]{64}\s*\Z")


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """One version of one secret; ``created`` is RFC 3339."""

    version: int
    created: str
    value: bytes

    def __repr__(self) -> str:
        return f"Kept(version={self.version}, created={self.created!r})"


class Item(msgspec.Struct, frozen=True):
    """One secret: its versions, the oldest first, never none; and its tags."""

    versions: tuple[Kept, ...]
    tags: dict[str, str] = {}


class Contents(msgspec.Struct, frozen=True):
    """Everything in a file, by key."""

    secrets: dict[str, Item] = {}

    def with_value(self, key: str, value: bytes, *, created: str, tags: dict[str, str] | None) -> Contents:
        """The same with a new version of one secret; its tags stay as they are without new ones."""
        old = self.secrets.get(key)
        versions = old.versions if old else ()
        number = versions[-1].version + 1 if versions else 1
        kept = (*versions, Kept(number, created, value))[-KEPT_VERSIONS:]
        item = Item(kept, tags if tags is not None else (old.tags if old else {}))
        return Contents({**self.secrets, key: item})

    def without(self, key: str) -> Contents:
        """The same without one secret, if it is there."""
        return Contents({name: item for name, item in self.secrets.items() if name != key})


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Contents).decode


def new_key() -> bytes:
    """A key file's content: 64 hex digits and a line's end."""
    return os.urandom(KEY_BYTES).hex().encode() + b"\n"


def parse_key(text: bytes, *, source: str) -> bytes:
    """The key in a key file.

    Raises:
        MisconfiguredError: it is none.
    """
    if not _HEX_KEY.match(text):
        raise MisconfiguredError(
            f"{source}: a key is {2 * KEY_BYTES} hexadecimal digits (govgate secrets put makes one)"
        )
    return bytes.fromhex(text.decode())


def key_id(key: bytes) -> str:
    """What a key is known by; tells nothing of it."""
    return hashlib.sha256(b"govgate-secrets key\0" + key).hexdigest()[:16]


def seal(contents: Contents, key: bytes) -> bytes:
    """The bytes of a file.

    Raises:
        UnusableError: it would be too large.
    """
    plain = _encode(contents)
    if len(plain) > MAX_BYTES:
        raise UnusableError(f"the store would be larger than {MAX_BYTES} bytes")
    header = b"govgate-secrets v1 key=%s bytes=%d\n" % (key_id(key).encode(), len(plain))
    nonce = os.urandom(_NONCE_BYTES)
    return header + nonce + AESGCM(key).encrypt(nonce, plain, header)


def unseal(data: bytes, key: bytes, *, source: str) -> Contents:
    """What is in a file.

    Raises:
        MisconfiguredError: it is encrypted with another key, or no such file.
        UnusableError: it is incomplete, or was changed.
    """
    header = _HEADER.match(data)
    if header is None:
        raise MisconfiguredError(f"{source}: not a secrets file of govgate")
    encrypted_with, length = header[1].decode(), int(header[2])
    if encrypted_with != key_id(key):
        raise MisconfiguredError(f"{source}: encrypted with key {encrypted_with}; the key given is {key_id(key)}")
    body = data[header.end() :]
    expected = _NONCE_BYTES + length + _TAG_BYTES
    if len(body) < expected:
        raise UnusableError(f"{source}: cut off, {expected - len(body)} bytes are missing at its end")
    try:
        plain = AESGCM(key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], header[0])
        return _decode(plain)
    except InvalidTag:
        raise UnusableError(f"{source}: damaged, or changed by somebody without the key") from None
    except msgspec.DecodeError:
        raise UnusableError(f"{source}: written by a version of govgate that this one does not understand") from None
