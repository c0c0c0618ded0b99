"""A worker process: answers reviews on its slot's socket, and obeys the supervisor.

``python -m gateway.server.worker`` is started by the supervisor only, by exec: nothing is inherited but two
descriptors, the control channel and the listening socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import uvloop

from gateway.audit.client import AuditClient
from gateway.core.errors import AuditError, GovgateError
from gateway.server import control, logs, metric_files, metrics
from gateway.server.acceptor import Acceptor
from gateway.server.admission import Admission, Serving
from gateway.server.changes import Changes, wait_ready
from gateway.server.connections import Listener
from gateway.server.reporting import Reporter
from webhooks.assembly import assemble

_PR_SET_PDEATHSIG = 1
_CLOSING_SECONDS = 1.0
"""At the end of a drain, answers ask clients to leave their connections for so long."""


class Worker:
    """One worker's life: start, serve, obey, drain."""

    def __init__(self, channel: control.Channel, sock: socket.socket) -> None:
        self._channel = channel
        self._sock = sock
        self._draining: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def log(self, level: str, event: str, fields: logs.Fields) -> None:
        """Hand a line to the supervisor's log."""
        self._channel.send(control.Log(level, event, fields))

    async def run(self) -> int:
        """Serve until drained, or left alone by the supervisor; the exit code."""
        start = await self._channel.receive()
        if not isinstance(start, control.Start):
            return 1
        try:
            await self._start(start)
        except (GovgateError, OSError) as error:
            self._channel.send(control.Failed(str(error)))
            await self._channel.close()
            return 1
        while (order := await self._channel.receive()) is not None:
            if isinstance(order, control.Drain):
                self._drain(order)
            elif not isinstance(order, control.Start):
                self._changes.put(order)
        if self._draining is None:
            self._drain(control.Drain(0.0, start.config.server.grace_seconds, last=True))
        if self._draining is not None:
            await self._draining
        return 0

    async def _start(self, start: control.Start) -> None:
        counted = metrics.WorkerMetrics()
        self._recorder = AuditClient(start.config.audit, folder=Path(start.state_dir))
        await self._recorder.start()
        limits = start.config.server.limits
        assembly = await assemble(start.config, patient=True, meter=counted.provenance, counting=True)
        self._admission = Admission(Serving(assembly, limits), self._recorder, counted, on_bug=self._bug)
        self._listener = Listener(
            self._admission, limits, on_malformed=self._admission.malformed, on_refused=counted.refused_connection
        )
        self._acceptor = Acceptor(self._sock, self._listener)
        self._changes = Changes(
            self._admission, self._listener, self._acceptor, self._channel, meter=counted.provenance
        )
        reporter = Reporter(self._admission, self._recorder, metrics.WorkerGauges(), self._channel)
        running = (self._listener.sweep(), self._changes.run(), reporter.run())
        self._tasks = [asyncio.create_task(task) for task in running]
        # Clients of a predecessor wait in the socket's queue: they are to be answered by one who has read the cluster.
        await wait_ready(assembly)
        await self._acceptor.serve(start.material)
        _settle_memory()
        reporter.report()
        self._channel.send(control.Ready())

    def _drain(self, order: control.Drain) -> None:
        """Begin to drain, or begin again with other times."""
        if self._draining is not None:
            self._draining.cancel()
        self._draining = asyncio.create_task(self._drain_and_leave(order))

    async def _drain_and_leave(self, order: control.Drain) -> None:
        await drain(self._admission, self._acceptor, order)
        for task in self._tasks:
            task.cancel()
        try:
            await self._recorder.close()
        except AuditError as error:
            self.log("error", "audit log not flushed", {"problem": str(error)})
        await self._admission.serving.assembly.close()
        await self._channel.close()

    def _bug(self, error: Exception) -> None:
        self.log("error", "a request failed by a bug", logs.place(error))


async def drain(admission: Admission, acceptor: Acceptor, order: control.Drain) -> None:
    """Serve on, then ask clients to leave their connections, accept no more, and answer what is in flight.

    With a delay, clients that leave can still come back by a new connection; without one, the supervisor is
    about to start a successor, which finds them in the socket's queue.
    """
    closing = min(_CLOSING_SECONDS, order.delay_seconds / 2)
    await asyncio.sleep(order.delay_seconds - closing)
    admission.closing = True
    await asyncio.sleep(closing)
    await acceptor.stop(last=order.last)
    if not closing:
        await asyncio.sleep(_CLOSING_SECONDS / 4)
    await acceptor.finish(order.grace_seconds)


def _settle_memory() -> None:
    """What was loaded stays: keep it out of every later collection, and collect less often.

    Requests leave few cycles behind; a full collection over all modules costs tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _die_with(parent: int) -> None:
    """Never outlive the supervisor: an orphan would hold the port against the next one."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _arguments(argv: list[str]) -> Namespace:
    parser = ArgumentParser(prog="gateway.server.worker")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the control channel")
    parser.add_argument("--listen", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the supervisor")
    parser.add_argument("--slot", required=True, help="the slot's name, the same for every successor")
    parser.add_argument("--metrics", type=Path, required=True, help="directory of the metrics files")
    return parser.parse_args(argv)


async def _main(arguments: Namespace) -> int:
    channel = await control.Channel.open(socket.socket(fileno=arguments.channel), control.Order)
    worker = Worker(channel, socket.socket(fileno=arguments.listen))
    logs.bridge(worker.log)
    asyncio.get_running_loop().set_exception_handler(logs.loop_exception_handler(worker.log))
    return await worker.run()


def main(argv: list[str]) -> int:
    """Run one worker; the exit code."""
    arguments = _arguments(argv)
    _die_with(arguments.parent)
    # Ctrl-C and service managers signal whole groups: the supervisor alone decides how its workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    metric_files.identify(arguments.slot, arguments.metrics)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
