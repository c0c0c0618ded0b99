"""Bytes that came from anywhere are read as the one thing that they may be, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.provenance.signatures.decoding import pem_bytes, read_json
from gateway.provenance.signatures.refusal import RefusedError

BLOCK = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


def test_one_block_of_the_label_is_read() -> None:
    """White space around the block says nothing."""
    assert pem_bytes(b"\n" + BLOCK, "PUBLIC KEY", "the key") == bytes(3)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        BLOCK.replace(b"BEGIN PUBLIC", b"BEGIN PRIVATE"),
        BLOCK.replace(b"END PUBLIC", b"END PRIVATE"),
        BLOCK.replace(b"-----BEGIN PUBLIC KEY-----", b"AAAA"),
        BLOCK.replace(b"-----END PUBLIC KEY-----", b"AAAA"),
        BLOCK + BLOCK,
    ],
)
def test_anything_else_is_not_a_block(text: bytes) -> None:
    """Nothing, nothing inside, another label at either end, only one end, or two blocks."""
    with pytest.raises(RefusedError, match="the key is not"):
        pem_bytes(text, "PUBLIC KEY", "the key")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 100_000, "the list cannot be read: nested too deeply"),
        (b"[1", "the list cannot be read: Input data was truncated"),
        (b"\xff", "the list cannot be read: JSON is malformed: invalid character (byte 0)"),
    ],
)
def test_what_is_wrong_with_json_is_said(data: bytes, reason: str) -> None:
    """Depth in our words, the rest in the parser's; the error itself reads as its reason does."""
    with pytest.raises(RefusedError) as raised:
        read_json(data, list[Any], "the list")
    assert (raised.value.step, raised.value.reason, str(raised.value)) == ("format", reason, reason)
