"""Canonical JSON (RFC 8785) for the values that govgate signs and chains.

Only strings, booleans, null, integers within ±2^53, lists and maps with ASCII keys are accepted: with no
floating point left, and no key whose order differs between UTF-8 and UTF-16, RFC 8785 is sorted keys, no
white space and the shortest escapes, which msgspec writes. A property test holds this to another
implementation.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from gateway.core.errors import GovgateError

_encoder = msgspec.json.Encoder(order="sorted")


class NotCanonicalError(GovgateError):
    """The value has no canonical form here (a float, an integer beyond 2^53, a key that is not ASCII)."""


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of ``value``.

    Raises:
        NotCanonicalError: for a float, a large integer, a key that is not ASCII, or a type that JSON does not have.
    """
    _check(value)
    return _encoder.encode(value)


def sha256_digest(data: bytes) -> str:
    """``sha256:`` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _check(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise NotCanonicalError(f"integer beyond 2^53: {value}")
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise NotCanonicalError(f"key is not an ASCII string: {key!r}")
            _check(item)
        return
    if isinstance(value, list | tuple):
        for item in value:
            _check(item)
        return
    raise NotCanonicalError(f"{type(value).__name__} has no canonical form here")
