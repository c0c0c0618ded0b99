"""A real ``opa run --server``, and a server that is none, to be asked by the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psutil
from support.processes import Server, free_port
from support.tools import tool

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class OpaProcess:
    """One OPA, on a port or a Unix socket that stay the same when it is started again. It never looks for newer versions."""

    def __init__(self, folder: Path, *arguments: str, tls: bool = False, unix: bool = False) -> None:
        self.port = 0 if unix else free_port()
        self.socket = folder / "opa.sock"
        self.url = f"unix://{self.socket}" if unix else f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._unix = unix
        address = f"unix://{self.socket}" if unix else f"127.0.0.1:{self.port}"
        fixed = ["--addr", address, "--skip-version-check", "--log-level", "error"]
        self._server = Server("opa", [tool("opa"), "run", "--server", *fixed, *arguments], folder / "opa.log")

    def start(self) -> Self:
        self._server.start()
        self._server.wait_until(self._listens)
        return self

    def kill(self) -> None:
        self._server.kill()
        self.socket.unlink(missing_ok=True)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It is there, and does nothing."""
        process = psutil.Process(self._server.pid)
        process.suspend()
        while any(psutil.Process(thread.id).status() != psutil.STATUS_STOPPED for thread in process.threads()):
            time.sleep(0.01)
        try:
            yield
        finally:
            process.resume()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Ask it by itself, without the client under test."""
        data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)  # noqa: S310 - its own URL
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None

    def _listens(self) -> bool:
        family = socket.AF_UNIX if self._unix else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(1)
            probe.connect(str(self.socket) if self._unix else ("127.0.0.1", self.port))  # an OSError: not yet
        return True


class Strange:
    """A server that answers as ``handler`` does. ``requests``: how many it has had."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._context = context
        self.requests = 0
        self.heads: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        scheme = "https" if self._context is not None else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._open: set[asyncio.StreamWriter] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.requests += 1
            await self._handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            self._open.discard(writer)
            writer.close()


def answering(status: str, body: bytes, *headers: str) -> Handler:
    """Answers everything with this."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
        writer.write("\r\n".join(head).encode() + body)
        await writer.drain()

    return handler
