"""Accepting connections on one socket, with a certificate that can be replaced while it runs.

docs/adr/0003-tls-rotation-by-new-listener.md says why a new listener, and not a changed context.
"""

from __future__ import annotations

import asyncio
import socket

from gateway.server.connections import Listener
from gateway.server.listeners import BACKLOG
from gateway.server.tls import Material, build_context


class Acceptor:
    """Owns no socket: it accepts on duplicates of ``sock``, so the queue outlives it."""

    def __init__(self, sock: socket.socket, listener: Listener) -> None:
        self._sock = sock
        self._listener = listener
        self._server: asyncio.Server | None = None

    async def serve(self, material: Material) -> None:
        """Accept with ``material`` from now on. The old way of accepting ends; its connections stay.

        Raises:
            ConfigError: the material is wrong; nothing changed.
        """
        context = build_context(material)
        old = self._server
        self._listener.client_names = material.client_names
        self._server = await asyncio.get_running_loop().create_server(
            self._listener,
            sock=self._sock.dup(),
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=self._listener.limits.header_seconds,
        )
        if old is not None:
            old.close()

    def stop(self) -> None:
        """Accept no more. What is in the socket's queue stays there for a successor."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def finish(self, grace_seconds: float) -> None:
        """Let requests in flight be answered, at most ``grace_seconds``, then close every connection."""
        self._listener.pre_shutdown()
        await self._listener.shutdown(grace_seconds)
