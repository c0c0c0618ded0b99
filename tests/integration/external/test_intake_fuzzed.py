"""Whatever bytes are sent to where changes are told: an answer that blames who sent them, and nothing is let in."""

from __future__ import annotations

import contextlib
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from support.threads import InThread

from gateway.config.controller import Intake
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.intake import serving
from gateway.controllers.external.known import Known
from gateway.controllers.external.run import Run
from gateway.controllers.external.shards import Shard
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.queue import WorkQueue

TOKEN = b"token-of-the-tests"
SHOWN = b"Bearer " + TOKEN
NOTICE = b'{"changes": [{"key": "a"}]}'
SECONDS = 60.0

sendable = st.binary(max_size=60).map(lambda data: bytes(byte for byte in data if byte not in b"\r\n\0"))
"""What may be in a line of a header."""
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Accept", b"Content-Encoding", b"Content-Type", b"Cookie", b"Forwarded", b"If-Match", b"X-A"]
        ),
        st.one_of(st.sampled_from([b"gzip", b"deflate", b"multipart/form-data", b"text/plain; charset=x"]), sendable),
    ),
    max_size=3,
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [NOTICE, zlib.compress(NOTICE), b"[" * 50_000, b'{"changes":' + b"[" * 50_000, b'{"changes":1e999}']
    ),
    st.lists(
        st.fixed_dictionaries({"key": st.text(max_size=9)}, optional={"store": st.text(max_size=3)}), max_size=3
    ).map(lambda changes: msgspec.json.encode({"changes": changes})),
)


class Listener(InThread):
    """As the controller has it."""

    port = 0

    def __init__(self, token_file: Path) -> None:
        super().__init__()
        self._settings = Intake(enabled=True, host="127.0.0.1", port=0, token_file=str(token_file))

    async def serve(self) -> None:
        """See the class."""
        run = Run(Known(Claims()), WorkQueue(8), ExternalMetrics(CollectorRegistry()), Shard(), "")
        async with serving(self._settings, run.told) as self.port:
            self.begun()
            await self.stop.wait()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    file = tmp_path_factory.mktemp("intake") / "token"
    file.write_bytes(TOKEN)
    with Listener(file) as listener:
        yield listener.port


def status_of(port: int, authorization: bytes, more: list[tuple[bytes, bytes]], body: bytes) -> int:
    """Of the answer to one request; 400 if what is no HTTP is broken off without one."""
    shown = [(b"Authorization", authorization), *more, (b"Content-Length", str(len(body)).encode())]
    lines = [b"POST /v1/changes HTTP/1.1", b"Host: x", b"Connection: close", *(b": ".join(one) for one in shown)]
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"\r\n".join([*lines, b"", body]))
            while b"\r\n" not in answer and (piece := connection.recv(4_096)):
                answer += piece
    return int(answer.split(b" ", 2)[1]) if answer else 400


@given(authorization=sendable, more=headers, body=bodies)
@example(authorization=b"Bearer \xff\xfe", more=[], body=NOTICE)
@example(authorization="Bearer tökén".encode("latin-1"), more=[], body=NOTICE)
@example(authorization=SHOWN[:-1], more=[], body=NOTICE)
@example(authorization=b"Bearer " + b"\xff" * 5_000, more=[], body=NOTICE)
def test_nobody_without_the_token_is_let_in(
    port: int, authorization: bytes, more: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """Whatever bytes stand in its place: 401, or what is no HTTP."""
    assert status_of(port, authorization, more, body) in (400, 401)


@given(more=headers, body=bodies)
@example(more=[], body=b'{"changes": [{"key": "\\ud800"}]}')
@example(more=[], body=b'{"changes": [{"key": "\xff"}]}')
@example(more=[(b"Content-Encoding", b"deflate")], body=NOTICE)
@example(more=[(b"Content-Encoding", b"gzip")], body=zlib.compress(b"x" * 1_000_000, wbits=31))
def test_what_cannot_be_read_is_the_sender_s_fault(port: int, more: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Of who shows the token: it is taken, refused, or too much; the server is never at a loss."""
    assert status_of(port, SHOWN, more, body) in (202, 400, 413, 429)
