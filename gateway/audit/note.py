"""Signed notes with Ed25519 keys.

Source: C2SP signed-note v1.0.0. A note is a text, an empty line, and signature lines ``— name base64(hash‖sig)``;
the hash is the first four bytes of SHA-256 over name, line feed, 0x01 and the public key. A verifier key is written
``name+hash+base64(0x01‖public key)``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core.errors import AuditError

_ED25519 = b"\x01"
_HASH_BYTES = 4
_MARK = "\u2014 "
MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 16


class NoteError(AuditError):
    """A note or a key is not of the right form, or a signature is wrong."""


class Verifier(msgspec.Struct, frozen=True):
    """A public key and the name it goes by."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """Tells keys apart in signature lines; no proof of anything."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_HASH_BYTES]

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Whether ``signature`` over ``text`` is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key and the name it goes by. Never printed."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        _check_name(name)
        self._private = private
        self.verifier = Verifier(name, private.public_key().public_bytes_raw())

    def signature_line(self, text: bytes) -> str:
        """The line that signs ``text``, with its line feed."""
        signature = self.verifier.key_hash + self._private.sign(text)
        return f"{_MARK}{self.verifier.name} {base64.b64encode(signature).decode()}\n"


def parse_verifier(text: str) -> Verifier:
    """Read a verifier key.

    Raises:
        NoteError: not one, or its hash does not fit.
    """
    parts = text.strip().split("+", 2)
    if len(parts) != 3:  # noqa: PLR2004 - name, hash, key
        raise NoteError("not a verifier key: expected NAME+HASH+KEY")
    name, key_hash, encoded = parts
    _check_name(name)
    key = _unbase64(encoded)
    if key[:1] != _ED25519 or len(key) != 33:  # noqa: PLR2004 - one byte of algorithm, 32 of key
        raise NoteError("not an Ed25519 verifier key")
    verifier = Verifier(name, key[1:])
    if verifier.key_hash.hex() != key_hash:
        raise NoteError("the verifier key is damaged: its hash does not fit")
    return verifier


def sign(text: str, signers: Sequence[Signer]) -> str:
    """``text`` (which ends with a line feed) as a note signed by all ``signers``."""
    if not text.endswith("\n") or "\n\n" in text:
        raise NoteError("a note's text ends with a line feed and has no empty line")
    return text + "\n" + "".join(signer.signature_line(text.encode()) for signer in signers)


def split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and name and ``hash‖signature`` of each signature line; nothing is verified.

    Raises:
        NoteError: not a note.
    """
    text, separator, lines = note.rpartition("\n\n")
    if not separator or len(note) > MAX_NOTE_BYTES or not lines.endswith("\n"):
        raise NoteError("not a signed note")
    signatures = []
    for line in lines[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_MARK).partition(" ")
        if not line.startswith(_MARK) or not space:
            raise NoteError("not a signature line")
        signatures.append((name, _unbase64(encoded)))
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError("too many signatures")
    return text + "\n", signatures


def signed_by(note: str, verifier: Verifier) -> bool:
    """Whether the note carries a right signature by ``verifier``.

    Raises:
        NoteError: not a note.
    """
    text, signatures = split(note)
    return any(
        name == verifier.name
        and signature[:_HASH_BYTES] == verifier.key_hash
        and verifier.accepts(text.encode(), signature[_HASH_BYTES:])
        for name, signature in signatures
    )


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NoteError("a key's name has no plus sign and no white space")


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("not base64") from None
