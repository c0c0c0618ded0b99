"""Starting and stopping the writer process in tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.model import Audit
from gateway.core.errors import AuditError

MAX_LINE_BYTES = 1024 * 1024


class WriterProcess:
    """One run of ``python -m gateway.audit.writer``. ``on_event`` gets what it says on its standard output."""

    def __init__(
        self, config: Audit, folder: Path, *, on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self._config = config
        self._folder = folder
        self._on_event = on_event or (lambda _event: None)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process number; 0 before :meth:`start`."""
        return self._process.pid if self._process else 0

    async def start(self, *, timeout_seconds: float = 10.0) -> None:
        """Start it and wait until it takes entries.

        Raises:
            AuditError: it did not come up; why is on standard error.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.audit.writer", "--state-dir", str(self._folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=MAX_LINE_BYTES,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self._config) + b"\n")
        ready = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(ready), name="audit-writer-output")
        try:
            async with asyncio.timeout(timeout_seconds):
                await ready
        except TimeoutError:
            await self.stop()
            raise AuditError("the audit writer did not come up in time") from None

    async def wait(self) -> int:
        """Wait until it ends; returns its exit code."""
        if self._process is None or self._reading is None:
            return 0
        code = await self._process.wait()
        await self._reading
        return code

    async def stop(self, *, timeout_seconds: float = 20.0) -> int:
        """Let it commit, sign the end and leave; after the time, kill it. Returns the exit code."""
        if self._process is None or self._process.stdin is None:
            return 0
        self._process.stdin.close()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self.wait()
        except TimeoutError:
            self._process.kill()
            return await self.wait()

    async def _read(self, ready: asyncio.Future[None]) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = msgspec.json.decode(line, type=dict[str, Any])
            self._on_event(event)
            if event.get("event") == "ready" and not ready.done():
                ready.set_result(None)
        if not ready.done():
            ready.set_exception(AuditError("the audit writer ended before it was ready"))
