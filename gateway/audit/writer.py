"""The one process that writes the log: ``python -m gateway.audit.writer --state-dir DIR``.

The ``audit`` section of the configuration comes as one JSON line on standard input; when standard input ends, or on
SIGTERM, the writer commits what it has, signs the end and leaves with 0. On standard output it writes JSON lines:
``ready``, each ``checkpoint`` (so that a copy of it exists elsewhere), ``full`` and ``room``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.committer import Committer
from gateway.audit.connection import Connection
from gateway.audit.log import Log
from gateway.audit.state import State, create_state, writer_lock
from gateway.audit.wire import SOCKET_NAME, socket_path
from gateway.config.model import Audit
from gateway.core.errors import AuditError

_LISTEN_BACKLOG = 128


def main() -> int:
    """Run the writer; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m gateway.audit.writer")
    parser.add_argument("--state-dir", type=Path, required=True)
    folder = parser.parse_args().state_dir
    os.umask(0o077)
    try:
        config = msgspec.json.decode(sys.stdin.buffer.readline(), type=Audit)
        state = create_state(folder)
        with writer_lock(folder):
            asyncio.run(serve(state, config))
    except msgspec.MsgspecError as error:
        sys.stderr.write(f"govgate: audit writer: configuration on standard input: {error}\n")
        return 1
    except (AuditError, OSError) as error:
        sys.stderr.write(f"govgate: audit writer: {error}\n")
        return 1
    return 0


async def serve(state: State, config: Audit) -> None:
    """Write the log until told to stop.

    Raises:
        AuditError: the log cannot be opened or written.
    """
    log = Log(state, config)
    committer = Committer(log, config, _say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, committer.stop)
    _stop_with_input(loop, committer)
    server = await loop.create_unix_server(lambda: Connection(committer), sock=_listen(state.folder))
    async with server:
        _say({"event": "ready", "logId": state.log_id, "seq": log.seq, "pid": os.getpid()})
        await committer.run()
        server.close()


def _listen(folder: Path) -> socket.socket:
    """The socket; one that a writer left behind is in nobody's use, for the lock is ours."""
    (folder / SOCKET_NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket_path(folder) as path:
        listener.bind(path)
    (folder / SOCKET_NAME).chmod(0o600)
    listener.listen(_LISTEN_BACKLOG)
    return listener


def _stop_with_input(loop: asyncio.AbstractEventLoop, committer: Committer) -> None:
    """Whoever started the writer holds the other end of its standard input."""

    def readable() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            committer.stop()

    loop.add_reader(sys.stdin.fileno(), readable)


def _say(event: dict[str, Any]) -> None:
    try:
        sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads any more, or the disk that takes standard output is full: the log goes on.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the end of the process


if __name__ == "__main__":
    sys.exit(main())
