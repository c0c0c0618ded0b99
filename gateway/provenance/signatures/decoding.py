"""Bytes that came from anywhere: JSON, base64 and PEM, each read within bounds or refused by name."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from gateway.core.text import shown
from gateway.provenance.signatures.refusal import RefusedError

MAX_BYTES = 1024 * 1024
"""Largest payload of one candidate: a bundle, an envelope, a signed text."""
MAX_ANNOTATION_BYTES = 256 * 1024
"""Largest annotation that is read: certificates and log entries of cosign's legacy format."""
RESIGN = "sign the artifact again; this signature is damaged, or was not made by a tool of this format"

T = TypeVar("T")


def check_size(data: bytes | str, what: str, most: int = MAX_BYTES) -> None:
    """Refuse what is larger than ``most`` bytes (characters, for text)."""
    if len(data) > most:
        raise RefusedError("size", f"{what} has {len(data)} bytes, more than {most}", RESIGN)


def read_json(data: bytes | str, kind: type[T], what: str) -> T:
    """Decode JSON into a msgspec type; numbers may be strings, as protobuf's JSON has them."""
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RefusedError("format", f"{what} cannot be read: {shown(reason)}", RESIGN) from None


def read_base64(text: str | bytes, what: str) -> bytes:
    """Decode base64 of the standard alphabet, padded, with nothing else in it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("format", f"{what} is not base64", RESIGN) from None


def read_base64url(text: str, what: str) -> bytes:
    """Decode base64url without padding, as JWS has it."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("format", f"{what} is not base64url", RESIGN) from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise RefusedError("format", f"{what} is not base64url in its one form", RESIGN)
    return data


def pem_bytes(text: bytes, label: str, what: str) -> bytes:
    """The DER of a text with exactly one PEM block of this label."""
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    lines = text.strip().splitlines()
    if len(lines) < 3 or lines[0] != begin or lines[-1] != end:  # noqa: PLR2004 - two marks and what is between
        raise RefusedError("format", f"{what} is not one {label} in PEM", RESIGN)
    return read_base64(b"".join(line.strip() for line in lines[1:-1]), what)
