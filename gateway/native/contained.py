"""Calls of the native library in a child process: for handlers that read what others wrote by parsers that may recurse,
allocate or run without bound.

A panic in Go is an exception anywhere; a stack or memory that is exhausted ends the process, and a loop does not end.
Here that costs one call its answer, not the command its life.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence

import msgspec

from gateway.native import crash
from gateway.native.library import NativeError, Tuning, call, frames, tune

ENVIRONMENT = frozenset(("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "GOGC", "GOMEMLIMIT", "GOMAXPROCS"))
"""What a child gets to see: a file may name variables that its parser puts the values of, and those may be secrets."""
_MEBIBYTE = 1024 * 1024


class Bounds(msgspec.Struct, frozen=True):
    """What a child may take, and how many children calls may cost."""

    memory_bytes: int = 1024 * _MEBIBYTE
    """Of data: Python, the library and everything that Go allocates; not less than 256 MiB."""
    timeout_seconds: float = 30.0
    """For one child and all of its calls."""
    max_crashes: int = 8
    """After so many calls that ended their child, the calls that are left are not made."""


class Answer(msgspec.Struct):
    """What a child says of one call."""

    ok: bool
    output: bytes = b""
    code: str = ""
    message: str = ""
    details: object = None


def call_each(method: str, payloads: Sequence[bytes], bounds: Bounds | None = None) -> list[bytes | NativeError]:
    """The answer to each call, in their order. Blocks.

    An error's code is the handler's, else ``memory``, ``timeout``, ``crash``, or ``skipped`` after too many of these.
    """
    bounds = bounds or Bounds()
    answers: list[bytes | NativeError] = []
    crashes = 0
    while len(answers) < len(payloads):
        if crashes == bounds.max_crashes:
            skipped = NativeError("skipped", f"not read: {crashes} files before it could not be read within bounds")
            answers += [skipped] * (len(payloads) - len(answers))
            break
        given, failure = _run(method, payloads[len(answers) :], bounds)
        answers += given
        if failure is not None:
            answers.append(failure)
            crashes += 1
    return answers


def _run(
    method: str, payloads: Sequence[bytes], bounds: Bounds
) -> tuple[list[bytes | NativeError], NativeError | None]:
    """What one child answers, in order; and how it ended, if it did before it answered all."""
    command = (sys.executable, "-P", "-m", "gateway.native.contained", method, str(bounds.memory_bytes))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment()) as child:  # noqa: S603 - this Python, this module
        late = False
        try:
            output, errors = child.communicate(frames(payloads), timeout=bounds.timeout_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            output, errors = child.communicate()
            late = True
    answers = list(_answers(output))
    if len(answers) == len(payloads):
        return answers, None
    if late:
        return answers, NativeError("timeout", f"takes longer than {bounds.timeout_seconds:g} s to read")
    return answers, end_of(child.returncode, errors, bounds.memory_bytes)


def environment() -> dict[str, str]:
    """What a child gets for its environment."""
    # A time without a zone is one in UTC, wherever this runs; one thread does not need an arena for each.
    kept = {name: value for name, value in os.environ.items() if name in ENVIRONMENT}
    return {"TZ": "UTC", "MALLOC_ARENA_MAX": "1"} | kept


def confine(memory_bytes: int) -> None:
    """In a child: what bounds it from now on, and that it leaves no core."""
    # Not the address space: Go reserves much that it never uses.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tune(Tuning(memory_bytes=memory_bytes * 3 // 4))


def answered(method: str, payload: bytes) -> bytes:
    """In a child: make one call, and encode what it gives for :func:`answer_of`."""
    try:
        answer = Answer(ok=True, output=call(method, payload))
    except NativeError as error:
        answer = Answer(ok=False, code=error.code, message=str(error), details=error.details)
    return msgspec.msgpack.encode(answer)


def answer_of(part: bytes) -> bytes | NativeError:
    """What a call in a child gave."""
    answer = msgspec.msgpack.decode(part, type=Answer)
    return answer.output if answer.ok else NativeError(answer.code, answer.message, answer.details)


def end_of(status: int, errors: bytes, memory_bytes: int, *, to: str = "read") -> NativeError:
    """Why a child ended before it answered. ``errors``: what it wrote on standard error; ``to``: what it was asked to do."""
    match crash.cause(errors):
        case "stack":
            return NativeError("memory", "is nested too deeply")
        case "memory":
            return NativeError("memory", f"needs more than {memory_bytes // _MEBIBYTE} MiB of memory to {to}")
    return NativeError("crash", f"the process that was to {to} it ended with {crash.how(status)}")


def _answers(output: bytes) -> Iterator[bytes | NativeError]:
    for part in whole_frames(output):
        yield answer_of(part)


def whole_frames(data: bytes) -> Iterator[bytes]:
    """The parts of what :func:`gateway.native.library.frames` made, as far as they came."""
    at = 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            return  # the child ended within it
        yield data[at + 4 : end]
        at = end


def _main(method: str, memory_bytes: int) -> None:
    """In the child: payloads on standard input, each answer on standard output as soon as there is one."""
    received = sys.stdin.buffer.read()
    confine(memory_bytes)
    for payload in whole_frames(received):
        sys.stdout.buffer.write(frames([answered(method, payload)]))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
