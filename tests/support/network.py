"""A stretch of network between a program and a server, that can be cut and mended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from support.threads import InThread

_PIECE = 1 << 16


class Network(InThread):
    """Passes connections on to a port of this machine. Runs in a thread of its own while the context lasts.

    While it is cut, nothing passes and nobody is told: connections are taken, as a router on the way would, and what is
    sent on any stays unanswered. When it is mended, the connections of before have been forgotten (each ends in a
    reset), and new ones pass.

    Attributes:
        port: on the loopback interface.
    """

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self._links: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Nothing passes from now on."""
        self._do(self._open.clear)

    def mend(self) -> None:
        """New connections pass."""
        self._do(self._forget)

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            what()
            done.set()

        self.loop.call_soon_threadsafe(act)
        assert done.wait(30)

    def _forget(self) -> None:
        for writer in list(self._links):
            writer.transport.abort()
        self._open.set()

    async def serve(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.begun()
        await self.stop.wait()
        server.close()
        self._forget()
        await asyncio.gather(*self._passing)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        self._links.add(writer)
        beyond: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            if writer.is_closing():
                return
            there, beyond = await asyncio.open_connection("127.0.0.1", self._target)
            self._links.add(beyond)
            await asyncio.gather(self._copy(reader, beyond), self._copy(there, writer))
        except OSError:
            pass
        finally:
            for one in filter(None, (writer, beyond)):
                self._links.discard(one)
                one.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(_PIECE):
            await self._open.wait()
            target.write(data)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()
