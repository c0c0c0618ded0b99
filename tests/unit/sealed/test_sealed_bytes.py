"""Sealing and opening bytes: the format, and everything that must not open."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from hypothesis import given
from hypothesis import strategies as st
from support.sealing import CANARY, private_key

from gateway_secrets.sealed.errors import MalformedBlobError, UnsealError
from gateway_secrets.sealed.hybrid import decode, encode, seal, split, unseal

KEY = private_key("a")
PUBLIC = KEY.public_key()
LABEL = b"web/db"
PLAIN = CANARY.encode()
BLOB = seal(PUBLIC, PLAIN, LABEL)
RSA_BYTES = 256
OTHERS = [private_key("b"), private_key("c")]


@given(st.binary(max_size=4096), st.binary(max_size=300))
def test_what_is_sealed_opens(plaintext: bytes, label: bytes) -> None:
    """Any bytes under any label come back as they were, whichever of the keys it is, also by way of base64."""
    blob = seal(PUBLIC, plaintext, label)
    assert unseal([*OTHERS, KEY], decode(encode(blob)), label) == plaintext


def test_the_format_is_the_one_that_is_written_down() -> None:
    """Length in two bytes, OAEP-SHA256 of a 32-byte key, AES-GCM with a zero nonce and no associated data."""
    assert int.from_bytes(BLOB[:2], "big") == RSA_BYTES
    session = KEY.decrypt(BLOB[2 : 2 + RSA_BYTES], OAEP(MGF1(SHA256()), SHA256(), LABEL))
    assert len(session) == 32
    assert AESGCM(session).decrypt(bytes(12), BLOB[2 + RSA_BYTES :], None) == PLAIN


def test_the_same_plaintext_is_sealed_differently_each_time() -> None:
    """Nobody can tell that two values are equal."""
    again = seal(PUBLIC, PLAIN, LABEL)
    assert again[: 2 + RSA_BYTES] != BLOB[: 2 + RSA_BYTES]
    assert again[2 + RSA_BYTES :] != BLOB[2 + RSA_BYTES :]


@given(st.integers(0, len(BLOB) * 8 - 1))
def test_no_flipped_bit_opens(bit: int) -> None:
    """One bit, wherever it is: in the length, the RSA part, the ciphertext, the tag."""
    changed = bytearray(BLOB)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((UnsealError, MalformedBlobError)):
        unseal([KEY], bytes(changed), LABEL)


@given(st.integers(0, len(BLOB) - 1))
def test_no_truncated_blob_opens(length: int) -> None:
    """Cut short anywhere."""
    with pytest.raises((UnsealError, MalformedBlobError)):
        unseal([KEY], BLOB[:length], LABEL)


@pytest.mark.parametrize("more", [b"\0", BLOB])
def test_nothing_may_follow(more: bytes) -> None:
    """Bytes after the tag."""
    with pytest.raises(UnsealError):
        unseal([KEY], BLOB + more, LABEL)


@pytest.mark.parametrize("label", [b"", b"web", b"web/", b"web/db2", b"Web/db", b"web/db\0"])
def test_another_label_does_not_open(label: bytes) -> None:
    """Neither a wider scope, nor another place."""
    with pytest.raises(UnsealError):
        unseal([KEY], BLOB, label)


def test_another_key_does_not_open() -> None:
    """Nor does no key at all."""
    for keys in (OTHERS, []):
        with pytest.raises(UnsealError):
            unseal(keys, BLOB, LABEL)


def wrapped(key: bytes, oaep: OAEP) -> bytes:
    return RSA_BYTES.to_bytes(2, "big") + PUBLIC.encrypt(key, oaep)


OWN = OAEP(MGF1(SHA256()), SHA256(), LABEL)
SESSION = os.urandom(32)


@pytest.mark.parametrize(
    "blob",
    [
        wrapped(SESSION, OAEP(MGF1(SHA1()), SHA1(), LABEL)) + AESGCM(SESSION).encrypt(bytes(12), PLAIN, None),  # noqa: S303
        wrapped(SESSION, OAEP(MGF1(SHA1()), SHA256(), LABEL)) + AESGCM(SESSION).encrypt(bytes(12), PLAIN, None),  # noqa: S303
        wrapped(SESSION, OWN) + AESGCM(SESSION).encrypt(b"\1" * 12, PLAIN, None),
        wrapped(SESSION, OWN) + AESGCM(SESSION).encrypt(bytes(12), PLAIN, b"aad"),
        wrapped(SESSION[:31], OWN) + AESGCM(SESSION).encrypt(bytes(12), PLAIN, None),
        wrapped(b"", OWN) + AESGCM(SESSION).encrypt(bytes(12), PLAIN, None),
        wrapped(SESSION, OWN) + bytes(16),
    ],
    ids=["oaep-sha1", "mgf1-sha1", "nonce", "associated-data", "short-session-key", "no-session-key", "zero-tag"],
)
def test_no_other_construction_opens(blob: bytes) -> None:
    """Right but for one parameter."""
    with pytest.raises(UnsealError):
        unseal([KEY], blob, LABEL)


@pytest.mark.parametrize(
    "blob",
    [b"", b"\1", b"\0\0" + bytes(100), b"\xff\xff" + bytes(70_000), b"\1\0" + bytes(256 + 15), b"\1\0" + bytes(10)],
)
def test_what_is_no_blob_is_malformed(blob: bytes) -> None:
    """Told apart from what no key opens: no key ever will."""
    with pytest.raises(MalformedBlobError):
        split(blob)


@pytest.mark.parametrize("text", ["A", "A===", "Ag!!", "Ag==Ag==", "Ag B0", "Agé="])
def test_what_is_no_base64_is_malformed(text: str) -> None:
    """Go's decoder refuses it as well."""
    with pytest.raises(MalformedBlobError):
        decode(text)


def test_line_breaks_in_base64_are_skipped() -> None:
    """As Go's decoder skips them: people fold long lines."""
    text = encode(BLOB)
    assert decode("\r\n".join(text[at : at + 64] for at in range(0, len(text), 64)) + "\n") == BLOB


def test_a_large_value_opens() -> None:
    """10 MB: opening has no limit of its own."""
    plain = os.urandom(1024) * 10_240
    assert unseal([KEY], seal(PUBLIC, plain, LABEL), LABEL) == plain


def test_errors_do_not_tell_why() -> None:
    """A wrong label, a wrong key and a changed byte look the same: the difference would be an oracle."""
    texts = set()
    for keys, blob, label in (([KEY], BLOB, b""), (OTHERS, BLOB, LABEL), ([KEY], BLOB[:-1] + b"\0", LABEL)):
        with pytest.raises(UnsealError) as raised:
            unseal(keys, blob, label)
        texts.add(str(raised.value))
    assert len(texts) == 1
