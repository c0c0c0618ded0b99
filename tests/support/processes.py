"""Server processes of the tests: they log to a file, and they never outlive the test run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Becomes the program, to be killed with its parent (PR_SET_PDEATHSIG): a killed pytest leaves no servers behind.
_EXEC = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9)\n"
    "os.getppid() == int(sys.argv[1]) or os._exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


class ServerFailedError(RuntimeError):
    """A server ended, or was not ready in time; the text ends with its log."""


class Server:
    """One server process. Start it from the main thread: its life is bound to the thread that started it."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._env = dict(env) if env is not None else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        wrapper = [sys.executable, "-I", "-S", "-c", _EXEC, str(os.getpid()), *self._command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                wrapper, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._env
            )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 30.0) -> None:
        """Until ``ready`` says so; an ``OSError`` in it means not yet."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise ServerFailedError(f"{self.name} ended\n{self.log_tail()}")
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise ServerFailedError(f"{self.name} was not ready within {seconds:g} s\n{self.log_tail()}")

    def kill(self) -> None:
        """SIGKILL: nothing that these servers hold is worth the minute that an orderly end takes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log_tail(self, characters: int = 4000) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-characters:] if self.log.exists() else ""


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
