"""The writer's end of one connection."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from gateway.audit.wire import Ack, Command, Done, Entries, Frames, frame
from gateway.core.errors import AuditError


class Hub(Protocol):
    """Who is told what connections bring."""

    def connected(self, connection: Connection) -> None: ...

    def disconnected(self, connection: Connection) -> None: ...

    def take(self, connection: Connection, message: Entries | Command) -> None: ...


class Connection(asyncio.Protocol):
    """Counts what of its entries is on disk. One that does not speak the protocol is closed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.committed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._hub.connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._frames.feed(data):
                if isinstance(message, Entries | Command):
                    self._hub.take(self, message)
                else:
                    self.close()
        except AuditError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._hub.disconnected(self)

    def acknowledge(self, full: str) -> None:
        """Tell how many entries are on disk, and why no more can be at the moment."""
        self.send(Ack(self.committed, full))

    def send(self, message: Ack | Done) -> None:
        if self._transport is not None:
            self._transport.write(frame(message))

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
