"""What a supervisor and its workers say to each other: JSON lines over a socket pair."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec

from gateway.config.model import Config
from gateway.server.tls import Material

SYNC_SECONDS = 20.0
"""How long a worker may take to fill the caches of a new configuration."""
MAX_LINE_BYTES = 16 * 1024 * 1024


class _Message(msgspec.Struct, frozen=True, tag=True):
    pass


class Start(_Message, frozen=True):
    """To a new worker: everything it needs. ``state_dir`` is the audit log's folder."""

    config: Config
    material: Material
    state_dir: str


class Prepare(_Message, frozen=True):
    """Assemble ``config`` and answer :class:`Prepared`; ``commit``: use it at once if that went well."""

    number: int
    config: Config
    commit: bool = False


class Commit(_Message, frozen=True):
    """Use what was prepared under ``number`` from the next request on."""

    number: int


class Abort(_Message, frozen=True):
    """Forget what was prepared under ``number``: another worker could not."""

    number: int


class Rotate(_Message, frozen=True):
    """Serve new connections with this certificate. The supervisor has verified it."""

    material: Material


class Drain(_Message, frozen=True):
    """Serve for ``delay_seconds`` more, then finish what is in flight within ``grace_seconds`` and exit.

    ``last``: no successor will take over the socket. Sent again with other values, it goes before.
    """

    delay_seconds: float
    grace_seconds: float
    last: bool


class Ready(_Message, frozen=True):
    """The worker accepts connections."""


class Failed(_Message, frozen=True):
    """The worker cannot start; it exits after this."""

    problem: str


class Prepared(_Message, frozen=True):
    """Answers :class:`Prepare`; ``problem`` is empty if the configuration can be used."""

    number: int
    problem: str = ""


class Status(_Message, frozen=True):
    """Once a second: named checks, empty text for one that holds, else why it does not. Also the heartbeat.

    ``rules``: the digest of everything that decides. ``overrunning``: evaluations of rules that were answered and still run. ``warnings``: by name, what somebody should
    look at, while all checks hold.
    """

    checks: dict[str, str]
    overrunning: int = 0
    warnings: dict[str, str] = {}
    rules: str = ""


class Log(_Message, frozen=True):
    """A line for the log: one process writes it, so that lines never mix."""

    level: str
    event: str
    fields: dict[str, str | int | float | bool] = {}


Order = Start | Prepare | Commit | Abort | Rotate | Drain
Report = Ready | Failed | Prepared | Status | Log


class Channel:
    """One end of the pair. What is received is of the type given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, accepts: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = msgspec.json.Decoder(accepts).decode

    @classmethod
    async def open(cls, sock: socket.socket, accepts: Any) -> Channel:
        """Take over ``sock``. ``accepts`` is :data:`Order` in a worker, :data:`Report` in the supervisor."""
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MAX_LINE_BYTES)
        return cls(reader, writer, accepts)

    def send(self, message: Order | Report) -> None:
        """Queue ``message``; dropped if the other side is gone (:meth:`receive` says so) or no longer reads."""
        transport = self._writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() < MAX_LINE_BYTES:
            self._writer.write(msgspec.json.encode(message) + b"\n")

    async def receive(self) -> Any:
        """The next message; None when the other side is gone."""
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return self._decode(line)

    async def close(self) -> None:
        """Send what is queued, then close."""
        try:
            self._writer.close()
            await self._writer.wait_closed()
        except ConnectionError:
            pass
