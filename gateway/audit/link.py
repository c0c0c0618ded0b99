"""One connection to the writer, for a worker or the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from gateway.audit.wire import Frames, Message, frame, socket_path
from gateway.core.errors import AuditError


class Link(asyncio.Protocol):
    """Frames in and out. ``lost`` is done when the connection is; ``writable`` is false while the kernel is behind."""

    def __init__(self, on_message: Callable[[Message], None], on_writable: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_writable = on_writable
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.writable = True

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                self._on_message(message)
        except AuditError:
            self.close()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.writable = False
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, message: Message) -> None:
        """Send one message; never blocks."""
        if self._transport is not None:
            self._transport.write(frame(message))

    def close(self) -> None:
        """Close at once; what was not sent is dropped."""
        if self._transport is not None:
            self._transport.abort()


async def connect(folder: Path, on_message: Callable[[Message], None], on_writable: Callable[[], None]) -> Link:
    """Connect to the writer of the log in ``folder``.

    Raises:
        OSError: there is no writer.
    """
    with socket_path(folder) as path:
        _, link = await asyncio.get_running_loop().create_unix_connection(lambda: Link(on_message, on_writable), path)
    return link
