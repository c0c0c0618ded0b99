"""Signed notes, checkpoints and changes of key."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.checkpoint import (
    Checkpoint,
    KeyChange,
    parse_checkpoint,
    parse_key_change,
    sign_checkpoint,
    sign_key_change,
)
from gateway.audit.keyring import KeyRing
from gateway.audit.note import NoteError, Signer, parse_verifier, sign, signed_by, split

# From the documentation of golang.org/x/mod/sumdb/note, another implementation of the format.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
LOG = "0123456789abcdef" * 2


def _signer(number: int = 1, name: str = "log") -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


def _change(seq: int, signers: list[Signer], key: Signer) -> str:
    return sign_key_change(KeyChange(LOG, seq, "sha256:" + "b" * 64, key.verifier), signers)


def test_another_implementations_note_verifies() -> None:
    """A key and a note made by Go's implementation are read and found right."""
    key = parse_verifier(GO_KEY)
    assert str(key) == GO_KEY
    assert signed_by(GO_NOTE, key)
    assert not signed_by(GO_NOTE.replace("problem is", "problem was"), key)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_any_changed_character_is_noticed(place: int, to: int) -> None:
    """A note with one character changed does not carry a right signature any more, or is no note."""
    note = sign("one\ntwo\n", [_signer()])
    position = place % len(note)
    if ord(note[position]) == to:
        return
    changed = note[:position] + chr(to) + note[position + 1 :]
    with contextlib.suppress(NoteError):
        assert not signed_by(changed, _signer().verifier)


def test_a_note_may_carry_other_signatures() -> None:
    """One right signature is enough, whoever else signed."""
    note = sign("text\n", [_signer(1, "a"), _signer(2, "b")])
    assert signed_by(note, _signer(2, "b").verifier)
    assert not signed_by(note, _signer(2, "a").verifier)


@pytest.mark.parametrize(
    "text", ["", "a", "a+b", "a b+00000000+AA==", GO_KEY.replace("c74f", "c74e"), GO_KEY[:-4], "n+0+!"]
)
def test_damaged_keys_are_refused(text: str) -> None:
    """A verifier key that does not fit its own hash is not used."""
    with pytest.raises(NoteError):
        parse_verifier(text)


@pytest.mark.parametrize(
    "note", ["", "text", "text\n\n", "text\n\nno mark\n", "text\n\n\u2014 name\n", "text\n\n\u2014 name !!\n"]
)
def test_what_is_no_note_is_refused(note: str) -> None:
    """Malformed notes are an error of their own."""
    with pytest.raises(NoteError):
        split(note)


def test_a_private_key_is_not_printed() -> None:
    """A signer's text shows nothing of the key."""
    assert (bytes([1]) * 32).hex() not in repr(vars(_signer())) + repr(_signer())


def test_checkpoint_reads_back() -> None:
    """A checkpoint's note has four lines and says what it was made of."""
    checkpoint = Checkpoint(LOG, 42, "sha256:" + "a" * 64, "2026-01-01T00:00:00.000000Z")
    note = sign_checkpoint(checkpoint, _signer())
    assert note.splitlines()[0] == f"govgate.dev/audit/v1 {LOG}"
    assert note.splitlines()[1] == "42"
    assert parse_checkpoint(note) == checkpoint
    assert signed_by(note, _signer().verifier)


def test_checkpoint_and_key_change_are_not_confused() -> None:
    """A signature over one kind of statement cannot be passed off as another kind."""
    with pytest.raises(NoteError):
        parse_checkpoint(_change(1, [_signer()], _signer()))
    with pytest.raises(NoteError):
        parse_key_change(sign_checkpoint(Checkpoint(LOG, 1, "sha256:" + "a" * 64, "t"), _signer()))


def test_rotation_is_followed() -> None:
    """The key in force at each place follows from the changes, each signed by the key before and its own."""
    one, two, three = _signer(1), _signer(2), _signer(3)
    ring = KeyRing()
    ring.learn_all([_change(1, [one], one), _change(5, [one, two], two), _change(9, [two, three], three)], LOG)
    assert [ring.in_force(seq) for seq in (1, 4, 5, 8, 9)] == [
        one.verifier, one.verifier, two.verifier, two.verifier, three.verifier,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seq", "signers", "key", "log"),
    [
        (5, [2], 2, LOG),
        (5, [1], 2, LOG),
        (5, [3, 2], 2, LOG),
        (1, [1, 2], 2, LOG),
        (5, [1, 2], 2, "f" * 32),
    ],
)
def test_a_wrong_rotation_is_refused(seq: int, signers: list[int], key: int, log: str) -> None:
    """Not signed by the key before, not by its own, by a stranger, out of order, or of another log."""
    ring = KeyRing()
    ring.learn(_change(1, [_signer(1)], _signer(1)), LOG)
    with pytest.raises(NoteError):
        ring.learn(_change(seq, [_signer(number) for number in signers], _signer(key)), log)


def test_a_part_of_a_log_starts_from_the_given_key() -> None:
    """With a key from elsewhere, a part of a log is checked although its first change of key is not in it."""
    one, two = _signer(1), _signer(2)
    ring = KeyRing(one.verifier)
    ring.learn(_change(50, [one, two], two), LOG)
    assert ring.in_force(49) == one.verifier
    later = KeyRing(two.verifier)
    later.learn(_change(50, [one, two], two), LOG)
    assert later.in_force(49) is None
    assert later.in_force(50) == two.verifier
