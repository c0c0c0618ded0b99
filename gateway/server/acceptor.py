"""Accepting connections on one socket, with a certificate that can be replaced while it runs.

docs/adr/0003-tls-rotation-by-new-listener.md says why a new listener, and not a changed context.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from gateway.server.connections import Listener
from gateway.server.listeners import BACKLOG
from gateway.server.tls import Material, build_context

_FRESH_SECONDS = 1.0
"""How long a connection that has not asked anything yet holds up the end."""
_POLL_SECONDS = 0.02


class Acceptor:
    """Accepts on duplicates of ``sock``, so that the socket's queue outlives any one way of accepting."""

    def __init__(self, sock: socket.socket, listener: Listener) -> None:
        self._sock = sock
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._context: ssl.SSLContext | None = None

    async def serve(self, material: Material) -> None:
        """Accept with ``material`` from now on. The old way of accepting ends; its connections stay.

        Raises:
            ConfigError: the material is wrong; nothing changed.
        """
        context = build_context(material)
        old = self._server
        self._listener.client_names = material.client_names
        self._server = await asyncio.get_running_loop().create_server(
            self._listener, sock=self._sock.dup(), ssl=context, backlog=BACKLOG, ssl_handshake_timeout=self._patience
        )
        self._context = context
        if old is not None:
            old.close()

    async def stop(self, *, last: bool) -> None:
        """Accept no more.

        What waits in the socket's queue is left to a successor; if this worker is the ``last`` on its socket, it is
        accepted, and the socket closed: clients that come later are refused, and know that nobody heard them.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        if last:
            waiting = _accept_all(self._sock)
            self._sock.close()
            loop = asyncio.get_running_loop()
            handshakes = [
                loop.connect_accepted_socket(
                    self._listener, accepted, ssl=self._context, ssl_handshake_timeout=self._patience
                )
                for accepted in waiting
            ]
            await asyncio.gather(*handshakes, return_exceptions=True)

    async def finish(self, grace_seconds: float) -> None:
        """Let requests on the way be answered, at most ``grace_seconds``, then close every connection."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (waited := loop.time() - began) < grace_seconds:
            fresh = self._listener.fresh and waited < _FRESH_SECONDS
            if not fresh and not self._listener.owes():
                break
            await asyncio.sleep(_POLL_SECONDS)
        self._listener.pre_shutdown()
        await self._listener.shutdown(max(_POLL_SECONDS, grace_seconds - waited))

    @property
    def _patience(self) -> float:
        return self._listener.limits.header_seconds


def _accept_all(sock: socket.socket) -> list[socket.socket]:
    accepted: list[socket.socket] = []
    with contextlib.suppress(OSError):
        while len(accepted) < BACKLOG:
            connection, _ = sock.accept()
            connection.setblocking(False)
            accepted.append(connection)
    return accepted
