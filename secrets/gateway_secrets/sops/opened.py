"""Opening a SOPS file in process: the data key by age, every value, and the MAC over all of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from gateway_secrets.sops.documents import Doubtful, Metadata, SopsFile
from gateway_secrets.sops.errors import MalformedError, NoKeyError, TamperedError, UnsupportedError
from gateway_secrets.sops.identities import Identity, unwrap
from gateway_secrets.sops.selection import Encrypted, selection
from gateway_secrets.sops.values import decrypt, plain_bytes

_KEY_BYTES = 32
_ONLY_ENCRYPTED = hashlib.sha256(b"sops").digest()
"""What the MAC begins with where it covers encrypted values only."""


def open_file(file: SopsFile, identities: Sequence[Identity]) -> list[dict[str, Any]]:
    """The documents in plain text.

    Raises:
        NoKeyError: no identity opens it.
        MalformedError, TamperedError: it is not what was encrypted.
        UnsupportedError: only the sops program can tell.
    """
    return open_with(file, data_key(file.metadata, identities))


def open_with(file: SopsFile, key: bytes) -> list[dict[str, Any]]:
    """The documents in plain text, by the data key.

    Raises:
        MalformedError, TamperedError: it is not what was encrypted.
        UnsupportedError: only the sops program can tell.
    """
    documents, digest = read_values(file, key)
    stated = decrypt(file.metadata.mac, key, file.metadata.lastmodified).data
    if not stated or not hmac.compare_digest(stated, digest.encode()):
        raise TamperedError("its MAC is wrong: values were added, taken out, moved or changed")
    return documents


def read_values(file: SopsFile, key: bytes) -> tuple[list[dict[str, Any]], str]:
    """The documents in plain text, and the digest that the MAC has to hold. What it does hold is not looked at.

    Raises:
        MalformedError, TamperedError: a value is not what was encrypted at its place.
        UnsupportedError: only the sops program can tell.
    """
    walk = _Walk(file.metadata, key)
    documents = [walk.mapping(document, ()) for document in file.documents]
    return documents, walk.hash.hexdigest().upper()


def data_key(metadata: Metadata, identities: Sequence[Identity]) -> bytes:
    """The key that the values are encrypted with.

    Raises:
        NoKeyError: no identity opens it.
        MalformedError: what is opened is no key.
        UnsupportedError: only the sops program can open it.
    """
    if metadata.split:
        raise UnsupportedError("its data key is split over key groups")
    if not metadata.age:
        raise NoKeyError(f"it is encrypted for {', '.join(metadata.others) or 'nobody'}, not for age")
    for _, armored in metadata.age:
        key = unwrap(armored, identities)
        if key is not None:
            if len(key) != _KEY_BYTES:
                raise MalformedError("its data key is not one")
            return key
    raise NoKeyError(f"none of {len(identities)} age identities is among its {len(metadata.age)} recipients")


class _Walk:
    """Goes through the values in their order; ``hash`` grows with each."""

    def __init__(self, metadata: Metadata, key: bytes) -> None:
        self._encrypted: Encrypted = selection(metadata)
        self._only = metadata.mac_only_encrypted
        self._key = key
        self.hash = hashlib.sha512(_ONLY_ENCRYPTED if self._only else b"")

    def mapping(self, node: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        return {name: self._value(value, (*path, name)) for name, value in node.items()}

    def _value(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return self.mapping(value, path)
        if isinstance(value, list):
            return [self._value(item, path) for item in value]  # an index is no part of the path
        if value is None:
            return None
        if self._encrypted(path):
            if not isinstance(value, str) or isinstance(value, Doubtful):
                raise MalformedError(f"{':'.join(path)}: is in plain text, and has to be encrypted")
            plain = decrypt(value, self._key, "".join(f"{name}:" for name in path))
            if plain.kind != "comment":
                self.hash.update(plain.data)
            return plain.value()
        if not self._only:
            if isinstance(value, Doubtful):
                raise UnsupportedError(f"{':'.join(path)}: may be a number or a time")
            self.hash.update(plain_bytes(value))
        return value
