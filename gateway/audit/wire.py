"""Between workers and the writer: frames of MessagePack on a Unix socket in the state folder.

A frame is its length in four bytes, big-endian, then one message. Entries are numbered by their order on the
connection, so an acknowledgement is one number: that many are on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.audit.chain import Draft
from gateway.core.errors import AuditError

MAX_FRAME_BYTES = 64 * 1024 * 1024
SOCKET_NAME = "audit.sock"
_LENGTH_BYTES = 4


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A draft, the addresses of the bodies it refers to, and those bodies that the writer may not have yet."""

    draft: Draft
    refers: tuple[str, ...] = ()
    bodies: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes, near enough for bounds."""
        draft = self.draft
        return len(draft.head) + len(draft.middle) + len(draft.tail) + sum(len(body) for _, body in self.bodies) + 200


class Entries(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Worker to writer. ``resent``: some may be on disk already (the connection broke before the answer)."""

    entries: tuple[Entry, ...]
    resent: bool = False


class Command(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Command line to writer: ``rotate``, or ``prune`` with the last sequence number to remove."""

    name: str
    through: int = 0


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Writer to worker: so many entries of this connection are on disk. ``full``: why no more can be at the moment."""

    committed: int
    full: str = ""


class Done(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Writer to command line: what came of the command."""

    text: str
    error: str = ""


Message = Entries | Command | Ack | Done

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def frame(message: Message) -> bytes:
    """The bytes of one message on the wire."""
    payload = _encode(message)
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


class Frames:
    """Collects what arrives and gives it out as messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete with ``data``.

        Raises:
            AuditError: the other side does not speak this protocol.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(buffer[:_LENGTH_BYTES], "big")
            if length > MAX_FRAME_BYTES:
                raise AuditError(f"audit protocol: a frame of {length} bytes")
            end = _LENGTH_BYTES + length
            if len(buffer) < end:
                return
            try:
                message = _decode(memoryview(buffer)[_LENGTH_BYTES:end].tobytes())
            except msgspec.MsgspecError as error:
                raise AuditError(f"audit protocol: {error}") from None
            del buffer[:end]
            yield message


@contextmanager
def socket_path(folder: Path) -> Iterator[str]:
    """A path of the socket that is short enough for the kernel (107 bytes), however deep the state folder lies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)
