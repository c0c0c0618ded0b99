"""Compile rules in a child process first, with bounds on its memory and time.

A panic in Go is an exception here, but memory that is exhausted, or a stack, ends the process that Go runs in. Rules
that come from others are tried where that costs nothing; only rules that passed are compiled in the gateway.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from gateway.native import crash
from gateway.native.library import NativeError, Tuning, frames, tune
from gateway.native.rego import Diagnostic, Module, Options, RegoError, compile_rules

_MEBIBYTE = 1024 * 1024


class Bounds(msgspec.Struct, frozen=True):
    """What the trial may take."""

    memory_bytes: int = 1024 * _MEBIBYTE
    """Of data: Python, the library and everything that Go allocates; not less than 256 MiB."""
    timeout_seconds: float = 30.0


class TrialError(NativeError):
    """The rules took more memory or time than they may, or ended the process that compiled them. ``code``:
    ``memory``, ``timeout``, ``crash``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)


class _Request(msgspec.Struct):
    modules: Sequence[Module]
    queries: Sequence[str]
    options: Options
    memory_bytes: int


class _Outcome(msgspec.Struct):
    diagnostics: tuple[Diagnostic, ...] = ()
    code: str = ""
    message: str = ""


def try_rules(
    modules: Sequence[Module],
    queries: Sequence[str],
    *,
    data: bytes = b"{}",
    options: Options | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Compile what :func:`gateway.native.rego.compile_rules` would, elsewhere, and forget it; blocks.

    Raises:
        RegoError: something does not compile.
        TrialError: it took too much memory or time, or ended the child.
        NativeError: ``data`` is not a JSON object.
        NativeMissingError: there is no library.
    """
    bounds = bounds or Bounds()
    request = msgspec.json.encode(_Request(modules, queries, options or Options(), bounds.memory_bytes))
    command = (sys.executable, "-P", "-m", "gateway.native.trial")
    # One thread does not need an arena of the C library for each.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    try:
        child = subprocess.run(  # noqa: S603 - this Python, this module
            command,
            input=frames((request, data)),
            capture_output=True,
            timeout=bounds.timeout_seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TrialError("timeout", f"the rules do not compile within {bounds.timeout_seconds:g} s") from None
    if child.returncode != 0:
        raise _crash(child.returncode, child.stderr, bounds)
    outcome = msgspec.json.decode(child.stdout, type=_Outcome)
    if outcome.diagnostics:
        raise RegoError(outcome.diagnostics)
    if outcome.code:
        raise NativeError(outcome.code, outcome.message)


def _crash(status: int, errors: bytes, bounds: Bounds) -> TrialError:
    """What to say about a child that died."""
    match crash.cause(errors):
        case "memory":
            limit = bounds.memory_bytes // _MEBIBYTE
            return TrialError("memory", f"the rules need more than {limit} MiB of memory to compile")
        case "stack":
            return TrialError("memory", "the rules are nested too deeply to compile")
    return TrialError("crash", f"the process that compiled the rules ended with {crash.how(status)}")


def _main() -> None:
    """In the child: a request on standard input, what came of it on standard output."""
    received = sys.stdin.buffer.read()
    length = int.from_bytes(received[:4], "little")
    request = msgspec.json.decode(received[4 : 4 + length], type=_Request)
    data = received[8 + length :]
    # Not the address space: Go reserves much that it never uses.
    resource.setrlimit(resource.RLIMIT_DATA, (request.memory_bytes, request.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        tune(Tuning(memory_bytes=request.memory_bytes * 3 // 4))
        compile_rules(request.modules, request.queries, data=data, options=request.options)
        outcome = _Outcome()
    except RegoError as error:
        outcome = _Outcome(diagnostics=error.diagnostics)
    except NativeError as error:
        outcome = _Outcome(code=error.code, message=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    _main()
