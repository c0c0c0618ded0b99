"""Calls into the native library: bytes in, bytes out, without the GIL.

The library is loaded at the first call, never at import, and lives in the process that loaded it: Go does not
survive a fork.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.errors import GovgateError

LIBRARY = Path(__file__).parent / "_library" / "libgovgate.so"

OK, ERROR, PANIC, NONE, CLOSED = range(5)
"""How a call ends; abi.go has the same numbers."""

GC_PERCENT = 400
"""Unless GOGC says otherwise. Compiled rules are a small heap that lives on, over which much short-lived garbage is
made: with Go's own default, 100, collecting it took a quarter to a third of the time of an evaluation; with 400 the
heap is at most five times the rules' size, some 50 MB for a hundred rules."""

MEMORY_BYTES = 1024 * 1024 * 1024
"""Unless GOMEMLIMIT says otherwise."""

_load_lock = threading.Lock()
_FRAME_LIMIT = 0xFFFF_FFFF


class NativeMissingError(GovgateError):
    """The native library is not installed, or cannot be used here; the text says what to do."""


class NativeError(GovgateError):
    """The native library refused a call. ``code`` is for programs; ``details`` is what the call adds, if anything."""

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class _Failure(msgspec.Struct):
    code: str
    message: str
    details: Any = None


class Tuning(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The Go runtime's settings; None leaves them as they are: what GOGC, GOMEMLIMIT and GOMAXPROCS in the environment
    say, else :data:`GC_PERCENT` and :data:`MEMORY_BYTES`.
    """

    gc_percent: int | None = None
    """Garbage is collected when the heap has grown by so much since the last time."""
    memory_bytes: int | None = None
    """Soft limit of what Go uses: near it garbage is collected more often, whatever ``gc_percent`` says; where that is
    not enough, evaluations that run are ended."""
    processors: int | None = None
    """Threads that run Go code at a time; Go's default is the processors it may use."""


class Library:
    """The loaded library. Methods may be called from any thread of the process that loaded it."""

    def __init__(self, path: Path) -> None:
        self._pid = os.getpid()
        self._dll = dll = ctypes.CDLL(str(path))
        pointer, size, number = ctypes.POINTER(ctypes.c_char), ctypes.c_size_t, ctypes.c_uint64
        out = (ctypes.POINTER(pointer), ctypes.POINTER(size))
        dll.gg_call.argtypes = (ctypes.c_char_p, ctypes.c_char_p, size, *out)
        dll.gg_free.argtypes = (pointer,)
        dll.gg_free.restype = None
        dll.gg_queue_open.argtypes = (ctypes.POINTER(ctypes.c_int),)
        dll.gg_queue_open.restype = number
        dll.gg_queue_close.argtypes = (number,)
        dll.gg_queue_close.restype = None
        dll.gg_submit.argtypes = (number, number, ctypes.c_int64, ctypes.c_char_p, ctypes.c_char_p, size, *out)
        dll.gg_take.argtypes = (number, ctypes.POINTER(number), *out)

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise NativeMissingError("the native library was loaded before this process was forked: start it by spawn")

    def call(self, method: str, payload: bytes) -> bytes:
        """Run a handler and wait for it."""
        self._check_process()
        out, length = ctypes.POINTER(ctypes.c_char)(), ctypes.c_size_t()
        status = self._dll.gg_call(method.encode(), payload, len(payload), ctypes.byref(out), ctypes.byref(length))
        return result(status, self._received(out, length))

    def _received(self, out: Any, length: ctypes.c_size_t) -> bytes:
        if not out:
            return b""
        try:
            return ctypes.string_at(out, length.value)
        finally:
            self._dll.gg_free(out)

    def open_queue(self) -> tuple[int, int]:
        """A queue for the results of submitted calls: its handle, and a descriptor that is readable if there are any.

        The descriptor is the queue's own: never close it, close the queue.
        """
        self._check_process()
        descriptor = ctypes.c_int()
        handle = self._dll.gg_queue_open(ctypes.byref(descriptor))
        if not handle:
            raise NativeError("queue", "the native library could not open an eventfd: out of descriptors?")
        return handle, descriptor.value

    def close_queue(self, handle: int) -> None:
        """Close a queue; results that still come are dropped."""
        if os.getpid() == self._pid:
            self._dll.gg_queue_close(handle)

    def submit(
        self, queue: int, number: int, method: str, payload: bytes, *, patience_seconds: float = 0.0
    ) -> tuple[int, bytes] | None:
        """Start a call. How it ended and what it gave, if it ends within ``patience_seconds``, for which this waits;
        None if not: then its result comes through the queue, under ``number``.
        """
        self._check_process()
        out, length = ctypes.POINTER(ctypes.c_char)(), ctypes.c_size_t()
        patience = int(patience_seconds * 1e9)
        given = (queue, number, patience, method.encode(), payload, len(payload))
        status = self._dll.gg_submit(*given, ctypes.byref(out), ctypes.byref(length))
        if status == CLOSED:
            raise NativeError("bad_handle", "the queue is closed")
        return None if status == NONE else (status, self._received(out, length))

    def take(self, queue: int) -> tuple[int, int, bytes] | None:
        """The next result of a queue: its number, how the call ended, and what it gave (see :func:`result`)."""
        number, out, length = ctypes.c_uint64(), ctypes.POINTER(ctypes.c_char)(), ctypes.c_size_t()
        status = self._dll.gg_take(queue, ctypes.byref(number), ctypes.byref(out), ctypes.byref(length))
        return None if status == NONE else (number.value, status, self._received(out, length))


def result(status: int, output: bytes) -> bytes:
    """What a call gave, or the exception that it ended with.

    Raises:
        NativeError: the call failed, or Go panicked in it (code ``panic``).
    """
    if status == OK:
        return output
    if status == PANIC:
        text, _, stack = output.decode(errors="replace").partition("\n")
        raise NativeError("panic", f"internal error of the native library: {text}", stack)
    failure = msgspec.json.decode(output, type=_Failure)
    raise NativeError(failure.code, failure.message, failure.details)


@cache
def _loaded(path: Path) -> Library:
    if not path.exists():
        raise NativeMissingError(
            "the native library is not installed, which evaluates Rego and reads YAML as Kubernetes does: "
            "install govgate from a wheel, or reinstall it from source without GOVGATE_NATIVE=skip "
            "(in a clone: python tools/build_native.py); or let an OPA server evaluate rules (policy.engine: opa)"
        )
    try:
        loaded = Library(path)
    except (OSError, AttributeError) as error:
        raise NativeMissingError(f"the native library cannot be loaded, reinstall govgate: {error}") from None
    defaults = Tuning(
        gc_percent=None if "GOGC" in os.environ else GC_PERCENT,
        memory_bytes=None if "GOMEMLIMIT" in os.environ else MEMORY_BYTES,
    )
    loaded.call("process.tune", msgspec.json.encode(defaults))
    return loaded


def library() -> Library:
    """The library of this process, loaded at the first call.

    Raises:
        NativeMissingError: it is not installed, or cannot be loaded.
    """
    with _load_lock:
        return _loaded(LIBRARY)


def call(method: str, payload: bytes = b"") -> bytes:
    """Run a handler of the library and wait for it.

    Raises:
        NativeMissingError: there is no library.
        NativeError: the call failed.
    """
    return library().call(method, payload)


def tune(tuning: Tuning) -> None:
    """Set the Go runtime up, for this process."""
    call("process.tune", msgspec.json.encode(tuning))


def versions() -> dict[str, str]:
    """What the library is made of: ``go`` and every module, with their versions."""
    return msgspec.json.decode(call("process.version"), type=dict[str, str])


def frames(parts: Iterable[bytes]) -> bytes:
    """Several byte strings in one: each with its length before it, 4 bytes, little-endian.

    Raises:
        NativeError: one is larger than 4 GiB.
    """
    pieces: list[bytes] = []
    for part in parts:
        if len(part) > _FRAME_LIMIT:
            raise NativeError("frames", "the input is larger than 4 GiB")
        pieces += (len(part).to_bytes(4, "little"), part)
    return b"".join(pieces)
