"""Kyverno's command line as a child process: bounded in time, output and memory, alone in its environment.

It gets no configuration of whoever runs govgate, no cluster and no registry. Whatever becomes of the call, cancellation
included, nothing of it is left: the whole process group is killed, and the caller's folder is the caller's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.core.errors import ConfigError, UndecidedError

SUPPORTED = ((1, 19), (1, 20))
"""From the first version up to, and not with, the second."""
GET_IT = "get kyverno-cli v1.19 from https://github.com/kyverno/kyverno/releases, or set policy.kyverno.command"

_MEBIBYTE = 1024 * 1024
_NICENESS = 10
"""A call takes what processor time requests that wait leave over."""
_VERSION = re.compile(rb"^Version:\s*v?(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Bounds(msgspec.Struct, frozen=True):
    """What one call may take."""

    seconds: float = 60.0
    output_bytes: int = 32 * _MEBIBYTE
    """Of its results, and of its messages."""
    memory_bytes: int = 2048 * _MEBIBYTE
    """Of data: all that the program allocates."""


class Done(msgspec.Struct, frozen=True):
    """A call that ended by itself."""

    status: int
    output: bytes
    errors: str

    @property
    def problem(self) -> str:
        """What it says went wrong, in one line; for whoever may see what it was given."""
        lines = [line for line in self.errors.splitlines() if line.startswith(("Error:", "panic:", "fatal error:"))]
        said = " ".join(" ".join(lines or self.errors.splitlines()[-1:]).split())[:500]
        return said or f"it ended with status {self.status}"


class CallError(UndecidedError):
    """The call did not end as calls do. ``stuck``: another one, about less, would take as long."""

    def __init__(self, message: str, *, stuck: bool = False) -> None:
        super().__init__(message)
        self.stuck = stuck


def find(command: str) -> str:
    """The path of the program.

    Raises:
        ConfigError: there is none; says how to get it.
    """
    found = shutil.which(command)
    if found is None:
        raise ConfigError(f"Kyverno's policies need Kyverno's command line, and there is no {command}: {GET_IT}")
    return str(Path(found).absolute())


async def check_version(program: str, folder: Path) -> str:
    """The program's version, such as ``1.19.1``.

    Raises:
        ConfigError: it is not one that is supported, or says none.
    """
    try:
        done = await run(program, ("version",), folder, Bounds(seconds=20.0, output_bytes=_MEBIBYTE))
    except CallError as error:
        raise ConfigError(f"{program} version: {error}: {GET_IT}") from None
    found = _VERSION.search(done.output) if done.status == 0 else None
    if found is None:
        raise ConfigError(f"{program} does not tell its version as Kyverno's command line does: {GET_IT}")
    version = tuple(map(int, found.groups()))
    if not SUPPORTED[0] <= version[:2] < SUPPORTED[1]:
        raise ConfigError(f"{program} is version {'.'.join(map(str, version))}, which is not supported: {GET_IT}")
    return ".".join(map(str, version))


async def run(program: str, arguments: Sequence[str], folder: Path, bounds: Bounds) -> Done:
    """Run it in ``folder`` to its end.

    Raises:
        CallError: it cannot be started, takes too long, or prints too much.
    """
    with _new(folder / "output") as output, _new(folder / "errors") as errors:
        try:
            child = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=folder,
                env=_environment(folder, bounds),
                start_new_session=True,
            )
        except OSError as error:
            raise CallError(f"{program} cannot be started: {error.strerror}") from None
        try:
            _limit(child.pid, bounds)
            async with asyncio.timeout(bounds.seconds):
                status = await child.wait()
        except TimeoutError:
            raise CallError(f"Kyverno did not end within {bounds.seconds:g} s", stuck=True) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            await asyncio.shield(child.wait())
        for file in (output, errors):
            if file.seek(0, os.SEEK_END) >= bounds.output_bytes:
                raise CallError(f"Kyverno printed more than {bounds.output_bytes} bytes")
            file.seek(0)
        return Done(status, output.read(), _COLOURS.sub("", errors.read().decode(errors="replace")))


def _new(path: Path) -> BinaryIO:
    """A file that was not there, for this user alone. Files, not pipes: the kernel bounds them, and nobody waits."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")


def _environment(folder: Path, bounds: Bounds) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "KUBECONFIG": os.devnull,
        "GOMEMLIMIT": str(bounds.memory_bytes * 3 // 4),
        "GOTRACEBACK": "none",
    }


def _limit(pid: int, bounds: Bounds) -> None:
    """Bounds that the kernel keeps. The child has hardly begun; if it has ended already, there is nothing to bound."""
    with contextlib.suppress(ProcessLookupError):
        # Not the address space: Go reserves much that it never uses.
        resource.prlimit(pid, resource.RLIMIT_DATA, (bounds.memory_bytes, bounds.memory_bytes))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (bounds.output_bytes, bounds.output_bytes))
