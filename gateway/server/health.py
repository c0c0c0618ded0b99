"""The health and metrics listener: plain HTTP, apart from admission, for kubelet and Prometheus."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import msgspec
from aiohttp import web

from gateway.core.limits import Limits
from gateway.core.subject import Json
from gateway.server.connections import Listener
from gateway.server.readiness import Check, render

_TEXT = "text/plain; charset=utf-8"
_LIMITS = Limits(connections=64, idle_seconds=75)


Rendered = tuple[bytes, str]
"""Metrics as text, and its content type."""


class Health:
    """Serves ``/livez``, ``/readyz`` and ``/metrics`` on ``sock``; ``checks`` are asked at each request.

    ``metrics`` renders for an Accept header, in a thread. ``rules``: what ``/rules`` tells, where that is served.
    """

    def __init__(
        self,
        sock: socket.socket,
        checks: Callable[[], list[Check]],
        metrics: Callable[[str], Rendered],
        rules: Callable[[], Json] | None = None,
    ) -> None:
        self._sock = sock
        self._checks = checks
        self._rules = rules
        self._paths = ("/livez", "/readyz", "/metrics", *(("/rules",) if rules is not None else ()))
        self._render = metrics
        self._scrape = asyncio.Lock()

    async def start(self) -> None:
        """Begin to answer."""
        self._listener = Listener(self._answer, _LIMITS, on_malformed=_ignore, on_refused=_ignore)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._listener, sock=self._sock)
        self._sweeping = asyncio.create_task(self._listener.sweep())

    async def close(self) -> None:
        """Stop."""
        self._sweeping.cancel()
        self._server.close()
        self._listener.pre_shutdown()
        await self._listener.shutdown(1.0)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return _plain(405, "method not allowed\n", {"Allow": "GET, HEAD"})
        verbose = "verbose" in request.query
        match request.path:
            case "/livez":
                # Says only that this process answers: a restart mends no dependency.
                return _plain(*render("livez", [Check("ping")], verbose=verbose))
            case "/readyz":
                return _plain(*render("readyz", self._checks(), verbose=verbose))
            case "/rules" if self._rules is not None:
                body = msgspec.json.encode(self._rules()) + b"\n"
                return web.Response(body=body, headers={"Content-Type": "application/json"})
            case "/metrics":
                return await self._metrics(request.headers.get("Accept", ""))
        return _plain(404, f"here are {', '.join(self._paths)}\n")

    async def _metrics(self, accept: str) -> web.Response:
        async with self._scrape:
            body, content_type = await asyncio.to_thread(self._render, accept)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": _TEXT, **(headers or {})})


def _ignore(_reason: str) -> None:
    """Nothing of this listener is counted: it is inside the cluster, and probes are many."""
