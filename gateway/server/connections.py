"""Connections of a listener: how many, from whom, and how long a request may take to arrive."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from gateway.core.limits import Limits
from gateway.server.intake import error_body
from gateway.server.tls import client_name_allowed

Count = Callable[[str], None]
Handler = Callable[[web.BaseRequest], Any]

_HEADERS = {"Content-Type": "application/json", "Server": "govgate"}
SWEEP_SECONDS = 0.5
_LINGER_SECONDS = 2.0
_SLOW = error_body("the request's head did not arrive in time", "slow-head")
_SLOW_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_SLOW), _SLOW)
)


class Connection(web.RequestHandler):
    """One connection.

    ``heard_at``: when the first byte of a request came whose head is not complete, else 0. ``busy``: a request's
    head is complete and its answer is not ready.
    """

    __slots__ = ("__weakref__", "_listener", "busy", "heard_at")

    def __init__(self, listener: Listener, **options: Any) -> None:
        super().__init__(listener, **options)
        self._listener = listener
        self.busy = False
        self.heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it at once."""
        if self._listener.admits(transport):
            super().connection_made(transport)
        else:
            # Not isinstance: uvloop's TLS transport is one by behaviour only.
            cast("asyncio.Transport", transport).abort()

    def data_received(self, data: bytes) -> None:
        """Bytes came: outside of a request they begin the next one's head."""
        if not self.busy and not self.heard_at:
            self.heard_at = self._loop.time()
        super().data_received(data)

    def begin(self) -> None:
        """A request's head is complete."""
        self._listener.fresh.discard(self)
        self.busy = True
        self.heard_at = 0.0

    def end(self) -> None:
        """Its answer is ready."""
        self.busy = False

    def expire(self) -> None:
        """The head took too long: say so and close."""
        if self.transport is not None:
            self.transport.write(_SLOW_ANSWER)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - it quotes what was sent
        message: str | None = None,  # noqa: ARG002 - as above
    ) -> web.StreamResponse:
        """Answer what is not HTTP, in our shape and without a log entry for each."""
        self._listener.on_malformed("http")
        body = error_body("this is not a valid HTTP request", "http")
        response = web.Response(status=status, body=body, headers=_HEADERS)
        response.force_close()
        return response


class Listener(web.Server):
    """Makes connections and bounds them. ``limits`` may be replaced; what is open keeps its idle time-out.

    Args:
        handler: answers a request.
        limits: bounds of the connections.
        on_malformed: called with ``http`` or ``slow-head`` for a request that never became one.
        on_refused: called with ``limit`` or ``client-name`` for a connection that was closed as it came.
    """

    def __init__(self, handler: Handler, limits: Limits, *, on_malformed: Count, on_refused: Count) -> None:
        super().__init__(self._handle)
        self.limits = limits
        self.client_names: tuple[str, ...] = ()
        # Accepted, perhaps still in the TLS handshake, and not asked anything yet. A failed handshake tells nobody.
        self.fresh: weakref.WeakSet[Connection] = weakref.WeakSet()
        self.on_malformed = on_malformed
        self._on_refused = on_refused
        self._handler = handler

    def __call__(self) -> Connection:
        """A new connection; the loop calls this for each it accepts."""
        connection = Connection(
            self,
            loop=self._loop,
            keepalive_timeout=self.limits.idle_seconds,
            access_log=None,
            auto_decompress=False,
            lingering_time=_LINGER_SECONDS,
        )
        self.fresh.add(connection)
        return connection

    def admits(self, transport: asyncio.BaseTransport) -> bool:
        """Whether there is room, and the client's certificate has one of the names asked for."""
        if len(self._connections) >= self.limits.connections:
            self._on_refused("limit")
            return False
        if self.client_names and not client_name_allowed(transport.get_extra_info("peercert"), self.client_names):
            self._on_refused("client-name")
            return False
        return True

    def owes(self) -> bool:
        """Whether a request is being received or judged on some connection."""
        return any(isinstance(c, Connection) and (c.busy or c.heard_at) for c in self.connections)

    async def sweep(self) -> None:
        """Until cancelled: close connections whose request takes too long to arrive."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            oldest = self._loop.time() - self.limits.header_seconds
            for connection in self.connections:
                if isinstance(connection, Connection) and 0 < connection.heard_at < oldest:
                    self.on_malformed("slow-head")
                    connection.expire()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)  # noqa: S101 - __call__ makes no other
        connection.begin()
        try:
            response: web.StreamResponse = await self._handler(request)
        finally:
            connection.end()
        return response
