"""One port before several gateways, as a Service is: connections are passed on as they are, to those that are ready.

Readiness is asked of ``/readyz`` at intervals, so that the port learns of a change later than it happens. A connection
that is refused is offered to the next gateway: between the end of a killed one and the next look somebody must.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import select
from collections.abc import Sequence

from support.gateway import Gateway
from support.threads import InThread

LOOK_SECONDS = 0.25
_MESSAGE_BYTES = 100
"""Every request and every answer is longer; TLS's word for the end of a connection is shorter."""


class Balancer(InThread):
    """Runs in a thread of its own while the context lasts.

    Attributes:
        port: on the loopback interface.
        ready: which gateways get new connections, by their place in the list.
        refused: connections that the first gateway asked did not take.
    """

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        super().__init__()
        self.gateways = gateways
        self.ready = dict.fromkeys(range(len(gateways)), True)
        self.refused = 0
        self._links: set[_Link] = set()
        self._ended: list[_Link] = []
        self._turns = itertools.count()

    def cut(self) -> int:
        """How many connections were ended by a gateway so far, and not by the API server."""
        return len(self._ended)

    def crossed(self) -> int:
        """How many of these had a request of the API server's sent on them after the gateway had ended them."""
        return sum(link.crossed for link in self._ended)

    def settled(self) -> bool:
        """Whether the API server has let go of every connection that a gateway ended."""
        return not any(link.over for link in list(self._links))

    def to(self, number: int) -> int:
        """Connections to that gateway."""
        return sum(link.number == number for link in list(self._links))

    async def serve(self) -> None:
        looking = [asyncio.create_task(self._look(number)) for number in self.ready]
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.begun()
        await self.stop.wait()
        server.close()
        for task in looking:
            task.cancel()
        for link in list(self._links):
            link.close()
        await asyncio.gather(*looking, *(link.task for link in list(self._links)), return_exceptions=True)

    async def _look(self, number: int) -> None:
        while True:
            try:
                self.ready[number] = await _is_ready(self.gateways[number].health_port)
            except (OSError, EOFError, TimeoutError):
                self.ready[number] = False
            await asyncio.sleep(LOOK_SECONDS)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = [number for number, well in self.ready.items() if well] or list(self.ready)
        turn = next(self._turns)
        for step in range(len(ready)):
            number = ready[(turn + step) % len(ready)]
            try:
                inner = await asyncio.open_connection("127.0.0.1", self.gateways[number].port)
            except OSError:
                self.refused += 1
                continue
            link = _Link(number, (reader, writer), inner)
            self._links.add(link)
            try:
                await link.run()
            finally:
                self._links.discard(link)
                if link.over:
                    self._ended.append(link)
            return
        writer.close()


class _Link:
    """One connection, and its other half. ``over``: the gateway ended it. ``crossed``: a request came for it after that."""

    def __init__(
        self,
        number: int,
        outer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        inner: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.number = number
        self.over = self.crossed = self._left = False
        self._outer, self._inner = outer, inner
        self._news = select.poll()
        self._news.register(inner[1].get_extra_info("socket").fileno(), select.POLLIN)
        task = asyncio.current_task()
        assert task is not None
        self.task = task

    async def run(self) -> None:
        """Until both sides have ended it."""
        try:
            await asyncio.gather(self._there(), self._back())
        finally:
            self.close()

    def close(self) -> None:
        for _, writer in (self._outer, self._inner):
            writer.close()

    async def _there(self) -> None:
        """What the API server sends."""
        reader, writer = self._outer[0], self._inner[1]
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                # What the gateway said last is not read yet if there is any: it can only be the end.
                if len(data) >= _MESSAGE_BYTES:
                    self.crossed = self.over or bool(self._news.poll(0))
                writer.write(data)
        self._left = not self.over
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _back(self) -> None:
        """What the gateway sends. A short record is TLS's word for the end."""
        reader, writer = self._inner[0], self._outer[1]
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.over = len(data) < _MESSAGE_BYTES and not self._left
                if not self.over:
                    self.crossed = False
                writer.write(data)
        self.over = not self._left
        with contextlib.suppress(OSError):
            writer.write_eof()


async def _is_ready(port: int) -> bool:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
