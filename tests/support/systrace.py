"""A system-call trace of running processes, with ptrace alone: which call returned before which other one began.

Runs as a process of its own (``python systrace.py --out FILE PID…``): a tracer must be one thread that does nothing
else. It prints ``attached``, follows threads and children, and ends on SIGTERM; the traced processes go on. Each line
of FILE is one event, in the order in which the kernel reported them.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import errno
import json
import os
import platform
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_CONT, _SYSCALL = 7, 24
_SEIZE, _INTERRUPT, _LISTEN, _GET_SYSCALL_INFO = 0x4206, 0x4207, 0x4208, 0x420E
_O_SYSGOOD, _O_FORK, _O_VFORK, _O_CLONE = 1, 2, 4, 8
_EVENT_STOP = 128
_WALL = 0x40000000
_ENTRY, _EXIT = 1, 2
_STOP_SIGNALS = frozenset((signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))

_NUMBERS = {
    "x86_64": {"write": 1, "pwrite64": 18, "writev": 20, "sendto": 44, "sendmsg": 46, "fsync": 74, "fdatasync": 75, "ftruncate": 77},
    "aarch64": {"write": 64, "pwrite64": 68, "writev": 66, "sendto": 206, "sendmsg": 211, "fsync": 82, "fdatasync": 83, "ftruncate": 46},
}  # fmt: skip

SENDS = frozenset(("write", "writev", "sendto", "sendmsg"))
SYNCS = frozenset(("fsync", "fdatasync"))


class _Info(ctypes.Structure):
    """``struct ptrace_syscall_info``: the entry's members; an exit's are the same bytes read otherwise."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("nr", ctypes.c_int64),
        ("args", ctypes.c_uint64 * 6),
    )


@dataclass(frozen=True)
class Event:
    """``phase`` is ``enter`` or ``exit``; ``path`` is what the descriptor is; ``result`` is known at the exit."""

    tid: int
    name: str
    phase: str
    path: str
    length: int
    result: int


def supported() -> bool:
    """Whether this machine's system calls are known here."""
    return sys.platform == "linux" and platform.machine() in _NUMBERS


class Trace:
    """A trace that runs for the length of an ``async with``; then :attr:`events` has everything."""

    def __init__(self, out: Path, *pids: int) -> None:
        self._out = out
        self._pids = pids
        self.events: list[Event] = []

    @staticmethod
    def allowed() -> bool:
        """Whether the kernel lets this user trace processes that are not the tracer's children."""
        setting = Path("/proc/sys/kernel/yama/ptrace_scope")
        return os.geteuid() == 0 or not setting.exists() or setting.read_text().strip() == "0"

    async def __aenter__(self) -> Self:
        arguments = (__file__, "--out", str(self._out), *map(str, self._pids))
        self._process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if line != b"attached\n":
            raise OSError(errno.EPERM, f"ptrace is not allowed here: {line.decode().strip()}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
        self.events = [Event(**json.loads(line)) for line in self._out.read_text().splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("pids", type=int, nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _on_term)
    tracer = _Tracer()
    try:
        for pid in options.pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                tracer.seize(int(task.name))
    except OSError as error:
        print(error, flush=True)  # noqa: T201 - what the starter waits for
        return 1
    with options.out.open("w") as out:
        try:
            print("attached", flush=True)  # noqa: T201 - what the starter waits for
            tracer.run(lambda event: out.write(json.dumps(event.__dict__) + "\n"))
        except (_StopError, ChildProcessError):
            return 0
    return 0


class _StopError(Exception):
    pass


def _on_term(*_: object) -> None:
    raise _StopError


class _Tracer:
    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.restype = ctypes.c_long
        self._libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
        self._names = {number: name for name, number in _NUMBERS[platform.machine()].items()}
        self._open: dict[int, Event] = {}

    def seize(self, tid: int) -> None:
        self._ptrace(_SEIZE, tid, 0, _O_SYSGOOD | _O_FORK | _O_VFORK | _O_CLONE)
        self._ptrace(_INTERRUPT, tid, 0, 0)

    def run(self, emit) -> None:
        while True:
            tid, status = os.waitpid(-1, _WALL)
            if not os.WIFSTOPPED(status):
                continue
            stop = os.WSTOPSIG(status)
            event = status >> 16
            request, deliver = _SYSCALL, 0
            if stop == signal.SIGTRAP | 0x80:
                self._syscall(tid, emit)
            elif event == _EVENT_STOP and stop in _STOP_SIGNALS:
                request = _LISTEN
            elif event == 0:
                deliver = stop
            try:
                self._ptrace(request, tid, 0, deliver)
            except ProcessLookupError:
                continue

    def _syscall(self, tid: int, emit) -> None:
        info = _Info()
        self._ptrace(_GET_SYSCALL_INFO, tid, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == _ENTRY and info.nr in self._names:
            name = self._names[info.nr]
            length = int(info.args[2]) if name in ("write", "pwrite64", "sendto") else 0
            event = Event(tid, name, "enter", _path(tid, int(info.args[0])), length, 0)
            self._open[tid] = event
            emit(event)
        elif info.op == _EXIT and tid in self._open:
            begun = self._open.pop(tid)
            emit(Event(tid, begun.name, "exit", begun.path, begun.length, info.nr))

    def _ptrace(self, request: int, tid: int, address: int, data: int) -> int:
        result = self._libc.ptrace(request, tid, address, data)
        if result == -1 and ctypes.get_errno():
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result


def _path(tid: int, descriptor: int) -> str:
    try:
        return str(Path(f"/proc/{tid}/fd/{descriptor}").readlink())
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
