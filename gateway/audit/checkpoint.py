"""Checkpoints and changes of key: what is signed about a log, and how it reads.

A checkpoint says: this log had that many records, and the hash of the last one was this. A change of key says: at
this place of the chain, that key takes over; the old key and the new one sign it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec

from gateway.audit.note import NoteError, Signer, Verifier, parse_verifier, sign, split

CHECKPOINT_ORIGIN = "govgate.dev/audit/v1"
KEY_ORIGIN = "govgate.dev/audit/key/v1"
_LOG_ID = re.compile(r"[0-9a-f]{32}\Z")
_SEQ = re.compile(r"(0|[1-9][0-9]{0,15})\Z")


class Checkpoint(msgspec.Struct, frozen=True):
    """The log ``log_id`` had ``seq`` records at ``time`` (RFC 3339, UTC); ``head`` (``sha256:…``) is the last one's hash."""

    log_id: str
    seq: int
    head: str
    time: str

    def text(self) -> str:
        """What is signed."""
        return f"{CHECKPOINT_ORIGIN} {self.log_id}\n{self.seq}\n{_hash_base64(self.head)}\n{self.time}\n"


class KeyChange(msgspec.Struct, frozen=True):
    """From the record ``seq`` on, whose ``prev`` is given, ``key`` signs."""

    log_id: str
    seq: int
    prev: str
    key: Verifier

    def text(self) -> str:
        """What is signed."""
        return f"{KEY_ORIGIN} {self.log_id}\n{self.seq}\n{_hash_base64(self.prev)}\n{self.key}\n"


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The checkpoint as a signed note."""
    return sign(checkpoint.text(), [signer])


def sign_key_change(change: KeyChange, signers: Sequence[Signer]) -> str:
    """The change of key as a signed note."""
    return sign(change.text(), signers)


def parse_checkpoint(note: str) -> Checkpoint:
    """What a signed checkpoint says; the signature is not looked at.

    Raises:
        NoteError: not a checkpoint of a govgate log.
    """
    log_id, seq, head, time = _lines(note, CHECKPOINT_ORIGIN)
    return Checkpoint(log_id, seq, head, time)


def parse_key_change(note: str) -> KeyChange:
    """What a signed change of key says; the signatures are not looked at.

    Raises:
        NoteError: not a change of key of a govgate log.
    """
    log_id, seq, prev, key = _lines(note, KEY_ORIGIN)
    return KeyChange(log_id, seq, prev, parse_verifier(key))


def _lines(note: str, origin: str) -> tuple[str, int, str, str]:
    text, _ = split(note)
    lines = text.split("\n")
    if len(lines) != 5:  # noqa: PLR2004 - four lines, each ended
        raise NoteError(f"not a note of {origin}")
    first, seq, digest, last, _ = lines
    name, _, log_id = first.partition(" ")
    if name != origin or not _LOG_ID.match(log_id) or not _SEQ.match(seq):
        raise NoteError(f"not a note of {origin}")
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"not a note of {origin}") from None
    return log_id, int(seq), "sha256:" + raw.hex(), last


def _hash_base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode()
