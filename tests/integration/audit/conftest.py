"""A writer process and clients for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from support.audit_writer import WriterProcess

from gateway.audit.client import AuditClient
from gateway.audit.state import create_state
from gateway.config.model import Audit
from gateway.core.errors import AuditError


class Setup:
    """Starts writers and clients of one log and stops them at the end."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._stack = stack
        create_state(folder)

    async def writer(self, config: Audit) -> WriterProcess:
        """Start a writer; what it says is added to ``events``."""
        process = WriterProcess(config, self.folder, on_event=self.events.append)
        self._stack.push_async_callback(process.stop)
        await process.start()
        return process

    async def client(self, config: Audit) -> AuditClient:
        """Start a client."""
        client = AuditClient(config, folder=self.folder)
        await client.start()
        self._stack.push_async_callback(_close, client)
        return client

    def said(self, name: str) -> list[dict[str, Any]]:
        """What writers said of one kind."""
        return [event for event in self.events if event["event"] == name]


async def _close(client: AuditClient) -> None:
    with suppress(AuditError):
        await client.close(timeout_seconds=0.2)


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[Setup]:
    """A state folder, with writers and clients on demand."""
    async with AsyncExitStack() as stack:
        yield Setup(tmp_path / "state", stack)
