"""One side of a merge: a SOPS file opened, its values in plain text, in memory, beside their ciphertext."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway_secrets.sops.documents import Format, Metadata, SopsFile, read, sops_of
from gateway_secrets.sops.errors import NoKeyError, ProgramError, SopsError, UnsupportedError
from gateway_secrets.sops.identities import Identity
from gateway_secrets.sops.opened import data_key, open_with
from gateway_secrets.sops.selection import Encrypted, selection
from gateway_secrets.sops.values import Plain, aad, decrypt, plain_bytes

_VOLATILE = frozenset(("enc", "created_at", "mac", "lastmodified", "version"))

Path = tuple[str, ...]


class Keys(NamedTuple):
    """What opens data keys: age identities, in process; else the sops program, by the metadata as they stand."""

    identities: Sequence[Identity]
    program: Callable[[Mapping[str, Any]], bytes] | None = None

    def open(self, metadata: Metadata, stated: Mapping[str, Any], known: frozenset[str] | None = None) -> bytes:
        """The data key. ``known``: the only keys that the program is let ask about; any, if None.

        Raises:
            SopsError: nothing opens it.
        """
        try:
            return data_key(metadata, self.identities)
        except (NoKeyError, UnsupportedError) as error:
            if self.program is None:
                raise
            if metadata.others and known is not None and metadata.keys - known:
                raise UnsupportedError(
                    f"names a key that ours does not: {min(metadata.keys - known)}: "
                    "look at it, then bring ours to it by sops updatekeys"
                ) from None
            try:
                return self.program(stated)  # it knows more kinds of age identities too: SSH keys, plugins
            except ProgramError:
                if metadata.others or metadata.split:
                    raise
                raise error from None


class Leaf:
    """A value in plain text and as it stands; equal to another if the plain text is."""

    __slots__ = ("cipher", "plain")

    def __init__(self, plain: Plain, cipher: str = "") -> None:
        self.plain = plain
        self.cipher = cipher

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Leaf) and self.plain == other.plain

    __hash__ = None  # type: ignore[assignment]


class Side(msgspec.Struct, frozen=True):
    """``terms``: what the metadata state, but for what changes with every writing. ``trees``: see :func:`trees_of`."""

    name: str
    text: str
    metadata: Metadata
    key: bytes
    terms: Any
    trees: list[dict[str, Any]]


def open_side(name: str, data: bytes, form: Format, keys: Keys, known: frozenset[str] | None = None) -> Side:
    """Open a file, and check that it is whole.

    Raises:
        SopsError: it cannot be opened, or is not what was encrypted; the text begins with the side's name.
    """
    try:
        file = read(data, form)
        stated = sops_of(data, form)
        key = keys.open(file.metadata, stated, known)
        open_with(file, key)
        return Side(name, data.decode(), file.metadata, key, _stated(stated), trees_of(file, key))
    except SopsError as error:
        raise type(error)(f"{name}: {error}") from None


def trees_of(file: SopsFile, key: bytes) -> list[dict[str, Any]]:
    """The documents, each value as a :class:`Leaf`.

    Raises:
        SopsError: a value is not what was encrypted at its place.
    """
    encrypted = selection(file.metadata)
    return [
        {name: _tree(value, (name,), key, encrypted) for name, value in document.items()} for document in file.documents
    ]


def _tree(value: Any, path: Path, key: bytes, encrypted: Encrypted) -> Any:
    if isinstance(value, dict):
        return {name: _tree(item, (*path, name), key, encrypted) for name, item in value.items()}
    if isinstance(value, list):
        return [_tree(item, path, key, encrypted) for item in value]
    if value is None:
        return Leaf(Plain(b"", "null"))
    if encrypted(path):
        return Leaf(decrypt(value, key, aad(path)), value)
    return Leaf(Plain(plain_bytes(value), type(value).__name__))


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _stated(item) for name, item in value.items() if name not in _VOLATILE and item not in (None, [], "")
        }
    return [_stated(item) for item in value] if isinstance(value, list) else value
