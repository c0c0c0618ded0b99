"""Frames on the socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audit_facts import entry

from gateway.audit.wire import Ack, Command, Done, Entries, Frames, frame
from gateway.core.errors import AuditError

MESSAGES = [
    Entries((entry(1), entry(2)), resent=True),
    Ack(7, "full"),
    Command("prune", 12),
    Done("yes", ""),
    Entries(()),
]


@given(st.lists(st.integers(1, 500), min_size=1))
def test_messages_arrive_however_they_are_cut(cuts: list[int]) -> None:
    """The same messages come out, in order, whatever pieces the bytes arrive in."""
    data = b"".join(frame(message) for message in MESSAGES)
    frames, out, position, turn = Frames(), [], 0, 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        out += list(frames.feed(data[position : position + size]))
        position += size
        turn += 1
    assert out == MESSAGES


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x02\x91\x63"])
def test_other_protocols_are_refused(data: bytes) -> None:
    """A frame beyond the bound, and what is not a message, end the connection."""
    with pytest.raises(AuditError):
        list(Frames().feed(data))
