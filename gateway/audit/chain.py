"""How records are chained: pure functions over bytes.

A record is canonical JSON (RFC 8785) and its hash is SHA-256 over exactly those bytes. ``prev`` and ``seq`` are
known to the writer only; everything else to whoever decides. Because canonical JSON sorts its keys, a worker can
encode its part as three fragments, between which the writer puts its two members without decoding anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.core.canonical import canonical_json, sha256_digest

VERSION = 1
GENESIS = "sha256:" + "0" * 64
"""``prev`` of the first record."""


class Draft(msgspec.Struct, frozen=True, array_like=True):
    """A record without its place in the chain: members up to ``prev``, up to ``seq``, and after it, without braces."""

    id: str
    head: bytes
    middle: bytes
    tail: bytes


def chain(draft: Draft, *, seq: int, prev: str) -> tuple[bytes, str]:
    """The record's canonical bytes and hash at place ``seq`` (from 1) after the record whose hash is ``prev``."""
    middle = b"," + draft.middle if draft.middle else b""
    envelope = b'{%b,"prev":"%b"%b,"seq":%d,%b}' % (draft.head, prev.encode(), middle, seq, draft.tail)
    return envelope, sha256_digest(envelope)


def draft(members: Mapping[str, Any]) -> Draft:
    """The draft of a record whose members are given, without ``prev`` and ``seq``.

    Raises:
        NotCanonicalError: a value has no canonical form.
    """
    head = {key: value for key, value in members.items() if key < "prev"}
    middle = {key: value for key, value in members.items() if "prev" < key < "seq"}
    tail = {key: value for key, value in members.items() if key > "seq"}
    head_bytes, middle_bytes, tail_bytes = (canonical_json(part)[1:-1] for part in (head, middle, tail))
    return Draft(members["id"], head_bytes, middle_bytes, tail_bytes)


def draft_event(kind: str, detail: Mapping[str, Any], *, time_ns: int | None = None) -> Draft:
    """The draft of a record that is about the log or the gateway itself, such as ``start``, ``key`` or ``loss``."""
    now = time.time_ns() if time_ns is None else time_ns
    members = {"detail": dict(detail), "id": new_id(now), "time": rfc3339(now), "type": kind, "v": VERSION}
    return draft(members)


def new_id(time_ns: int) -> str:
    """32 hex digits: 48 bits of milliseconds, then 80 random ones.

    Time comes first, as in RFC 9562's version 7, so that the unique index over ids grows at one end.
    """
    return f"{(time_ns // 1_000_000) & 0xFFFF_FFFF_FFFF:012x}{os.urandom(10).hex()}"


_second = (-1, "")


def rfc3339(time_ns: int) -> str:
    """Nanoseconds since the epoch as ``2026-01-31T23:59:59.000000Z``."""
    global _second  # noqa: PLW0603 - formatting a date costs more than all the rest of a record
    seconds, rest = divmod(time_ns, 1_000_000_000)
    if _second[0] != seconds:
        _second = (seconds, datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    return f"{_second[1]}.{rest // 1000:06d}Z"
