"""Calls of the native library in a child process that is kept: for handlers that run what others wrote, often.

As :mod:`gateway.native.contained`, but a child answers many batches of calls, one after the other, so that a call costs
a fraction of a millisecond instead of the start of a Python. What a call is given and gives goes through one pair of
sockets, and stands in no environment, argument or file. The child ends with whoever holds the other end; a call that
overruns its time ends the child by itself, whatever became of that.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import msgspec

from gateway.native.contained import (
    answer_of,
    answered,
    confine,
    end_of,
    environment,
    whole_frames,
)
from gateway.native.crash import HEAD_BYTES
from gateway.native.library import LIBRARY, NativeError, frames, library

_MEBIBYTE = 1024 * 1024
_NOT_DUMPABLE = (4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


class KeptBounds(msgspec.Struct, frozen=True):
    """What a child may take."""

    memory_bytes: int = 512 * _MEBIBYTE
    """Of data: Python, the library and everything that Go allocates; not less than 256 MiB."""
    seconds: float = 5.0
    """Of processor time, for one call: how busy the machine is does not matter."""
    wall_seconds: float = 60.0
    """For a batch of calls, including the child's start."""
    batches: int = 10_000
    """After so many another child is started: what memory the former one holds is given back, and wiped."""


class Kept:
    """A child for one handler, started at the first call and again after it ended. One call at a time, from any thread."""

    def __init__(self, method: str, bounds: KeptBounds) -> None:
        self._method = method
        self._bounds = bounds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._busy = False

    def call_each(self, payloads: Sequence[bytes], common: bytes = b"") -> list[bytes | NativeError]:
        """The answer to each call, in their order, up to the one that ended the child, if one did. Each is given its
        payload, and what is common to all after that.

        An error's code is the handler's, else ``memory``, ``timeout``, ``crash``, or ``closed``.

        Raises:
            NativeMissingError: there is no library.
        """
        deadline = time.monotonic() + self._bounds.wall_seconds
        try:
            self._begin()
        except NativeError as error:
            return [error]
        try:
            return self._exchange(payloads, common, deadline)
        finally:
            self._end()

    def _exchange(self, payloads: Sequence[bytes], common: bytes, deadline: float) -> list[bytes | NativeError]:
        answers: list[bytes | NativeError] = []
        late = False
        try:
            self._within(deadline)
            self._channel.sendall(frames([frames([common, *payloads])]))
            for _ in payloads:
                size = int.from_bytes(self._received(4, deadline), "little")
                answers.append(answer_of(self._received(size, deadline)))
        except TimeoutError:
            late = True
        except OSError:
            pass  # the child ended
        if len(answers) < len(payloads):
            answers.append(self._why(late=late))
        return answers

    @property
    def pid(self) -> int | None:
        """Of the child, if there is one."""
        return self._child.pid if self._child is not None else None

    def close(self) -> None:
        """End the child; a call that it is at fails, and so does each later one."""
        with self._lock:
            self._closed = True
            if not self._busy:
                self._discard()
            elif self._child is not None:
                self._child.kill()  # whoever waits for it sees that

    def _begin(self) -> None:
        with self._lock:
            if self._closed:
                raise NativeError("closed", "was closed")
            if self._child is None or self._child.poll() is not None or self._left == 0:
                self._discard()
                self._start()
            self._left -= 1
            self._busy = True

    def _end(self) -> None:
        with self._lock:
            self._busy = False
            if self._closed:
                self._discard()

    def _start(self) -> None:
        if not LIBRARY.exists():
            library()  # says what to do
        numbers = (str(self._bounds.memory_bytes), str(self._bounds.seconds))
        command = (sys.executable, "-P", "-m", "gateway.native.kept", self._method, *numbers)
        self._channel, theirs = socket.socketpair()
        # Nobody reads it while the child lives: a pipe could fill up, and a file would lie on a disk.
        self._errors = os.memfd_create("errors")
        with theirs:
            end = theirs.fileno()
            self._child = subprocess.Popen(command, stdin=end, stdout=end, stderr=self._errors, env=environment())  # noqa: S603 - this Python, this module
        self._left = self._bounds.batches

    def _within(self, deadline: float) -> None:
        self._channel.settimeout(max(deadline - time.monotonic(), 0.001))

    def _received(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._within(deadline)
            part = self._channel.recv(min(size - len(data), _MEBIBYTE))
            if not part:
                raise ConnectionResetError
            data += part
        return bytes(data)

    def _why(self, *, late: bool) -> NativeError:
        """Why the child answered no more; there is none after that."""
        with self._lock:
            child = self._child
            assert child is not None  # noqa: S101 - the caller was at it
            if late:
                child.kill()
            status = child.wait()
            errors = os.pread(self._errors, HEAD_BYTES, 0)
            self._discard()
            if self._closed:
                return NativeError("closed", "was closed")
            if late:
                return NativeError("timeout", f"takes longer than {self._bounds.wall_seconds:g} s")
            if status == -signal.SIGVTALRM:
                return NativeError("timeout", f"takes more than {self._bounds.seconds:g} s of processor time")
            return end_of(status, errors, self._bounds.memory_bytes, to="run")

    def _discard(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._channel.close()
            os.close(self._errors)
            self._child = None


def _main(method: str, memory_bytes: int, seconds: float) -> None:
    """In the child: batches of payloads on standard input, until there are none; each answer on standard output."""
    ctypes.CDLL(None).prctl(*_NOT_DUMPABLE)  # neither a core, wherever cores go, nor a debugger
    confine(memory_bytes)
    while len(head := sys.stdin.buffer.read(4)) == 4:  # noqa: PLR2004 - a length
        batch = sys.stdin.buffer.read(int.from_bytes(head, "little"))
        common, *payloads = whole_frames(batch)
        for payload in payloads:
            # Unhandled, it ends the process: no call can hold it up.
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            answer = answered(method, payload + common)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            sys.stdout.buffer.write(frames([answer]))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
