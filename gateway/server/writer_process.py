"""The audit log's writer as a child of the supervisor: started, started again, and stopped last.

Workers keep what it has not acknowledged and send it again to its successor.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable

import msgspec

from gateway.config.model import Audit
from gateway.server.logs import Emit
from gateway.server.slots import child_environment

_BACKOFF_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
_STABLE_SECONDS = 10.0
_STOP_SECONDS = 15.0


class WriterProcess:
    """Keeps one writer running; ``on_end`` is called whenever one ended that was not asked to."""

    def __init__(self, config: Audit, *, emit: Emit, on_end: Callable[[], None]) -> None:
        self._config = config
        self._emit = emit
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until stopped: keep a writer running. Its standard output, with the checkpoints, is ours."""
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._one_life()
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - began > _STABLE_SECONDS else failures + 1
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            self._emit("error", "audit writer ended", {"code": code, "again_in_seconds": pause})
            self._on_end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self) -> None:
        """Have it commit what it has, sign the end and leave; kill it if that takes too long."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._emit("error", "audit writer did not stop", {"killed_after_seconds": _STOP_SECONDS})
            process.kill()
            await process.wait()

    async def _one_life(self) -> int:
        command = (sys.executable, "-P", "-m", "gateway.audit.writer", "--state-dir", self._config.state_dir)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env=child_environment(), start_new_session=True
        )
        self._process = process
        if self._stopping.is_set():
            process.terminate()
        # Left open: the writer ends when its standard input does, which is when this process is gone.
        assert process.stdin is not None  # noqa: S101 - asked for above
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(self._config) + b"\n")
            await process.stdin.drain()
        return await process.wait()
