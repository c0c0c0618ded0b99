"""A port before an HTTP server: counts what is asked, and holds requests back as long as a test wants."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


class Passing:
    """Runs while the context lasts. ``asked``: the path of each request, also of those that are held back."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._open = threading.Event()
        self._open.set()
        self._part = ""
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, part: str) -> int:
        """Requests so far whose path has this in it."""
        return sum(part in path for path in self.asked)

    @contextmanager
    def holding(self, part: str) -> Iterator[None]:
        """Requests whose path has this in it go no further while this lasts."""
        self._part = part
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def _pass(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        self.asked.append(path)
        if self._part in path:
            self._open.wait(300)
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        passing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                status, given, answer = passing._pass(self.command, self.path, headers, body)
                try:
                    self.send_response(status)
                    for name, value in given:
                        if name.lower() not in _HOP:
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except ConnectionError:
                    self.close_connection = True  # who asked has left

            do_GET = do_POST = do_PUT = do_LIST = answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Not on the tests' output."""

        return Handler
