"""``govgate serve``: one supervisor, its workers, the audit log's writer, and the health listener.

The supervisor owns whatever must outlive a worker: the listening sockets, the configuration and certificate in
force, the metrics files. It answers no review itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.audit.state import create_state
from gateway.config import LoadedConfig
from gateway.core.errors import GovgateError
from gateway.server import listeners, logs, metric_files
from gateway.server.alone import only_one
from gateway.server.options import Options
from gateway.server.slots import InForce, Slot
from gateway.server.writer_process import WriterProcess

if TYPE_CHECKING:
    from gateway.server.operations import Operations

_LEAVE_SECONDS = 15.0
_EARLY_ENDS = 3


def serve(options: Options) -> int:
    """Run the server until it is told to stop; the exit code.

    Raises:
        GovgateError: it could not start.
    """
    loaded = options.load()
    folder = Path(loaded.config.audit.state_dir)
    create_state(folder)
    with only_one("serve", folder):
        if options.self_signed:
            from gateway.server.selfsigned import ensure_self_signed  # noqa: PLC0415 - X.509 is slow to import

            ensure_self_signed(folder / "tls", namespace=loaded.config.cluster.own_namespace)
        metrics_dir = metric_files.directory_of(folder)
        metric_files.make_directory(metrics_dir)
        try:
            return asyncio.run(Supervisor(options, loaded, metrics_dir).run())
        finally:
            shutil.rmtree(metrics_dir, ignore_errors=True)


class Supervisor:
    """Starts everything, then waits to be told to stop."""

    def __init__(self, options: Options, loaded: LoadedConfig, metrics_dir: Path) -> None:
        self._options = options
        self._config = loaded.config
        self._source = loaded.source
        self._metrics_dir = metrics_dir
        self._log: logs.Emit | None = None
        self._operations: Operations | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._fatal = ""
        self._terms = 0
        self._early_ends = 0

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; 0.

        Raises:
            GovgateError: it could not start.
        """
        self._stop = asyncio.Event()
        server = self._config.server
        with contextlib.ExitStack() as sockets:
            bound = [sockets.enter_context(s) for s in listeners.bind_slots(server.host, server.port, server.workers)]
            health = sockets.enter_context(listeners.bind_one(server.health_host, server.health_port))
            in_force = InForce(self._config, self._source)
            self._slots = [
                Slot(str(n), sock, self._metrics_dir, in_force=in_force, emit=self._emit, on_end=self._worker_ended)
                for n, sock in enumerate(bound)
            ]
            self._writer = WriterProcess(self._config.audit, emit=self._emit, on_end=self._writer_ended)
            writing = self._keep(self._writer.run())
            working = [self._keep(slot.run()) for slot in self._slots]
            try:
                # Let the processes begin, which takes them longest, before importing what only this one needs.
                await asyncio.sleep(0)
                await self._operate(in_force, health, bound)
                await self._stop.wait()
                await self._drain(working)
            finally:
                await self._end(writing)
        if self._fatal:
            raise GovgateError(self._fatal)
        return 0

    async def _operate(self, in_force: InForce, health: Any, bound: list[Any]) -> None:
        from gateway.server.operations import Operations  # noqa: PLC0415 - see the comment in run

        operations = Operations(self._options, in_force, self._slots, metrics_dir=self._metrics_dir, emit=self._emit)
        self._operations = operations
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(logs.loop_exception_handler(self._emit))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, operations.reload)
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._keep(operations.restart_workers()))
        await operations.start(health)
        for work in operations.background():
            self._keep(work)
        self._keep(self._announce(operations, health, bound))

    async def _announce(self, operations: Operations, health: Any, bound: list[Any]) -> None:
        """Say where we listen, once everything is ready."""
        await operations.wait_ready()
        self._emit(
            "info",
            "ready",
            {
                "admission": listeners.address(bound[0]),
                "health": listeners.address(health),
                "port": bound[0].getsockname()[1],
                "health_port": health.getsockname()[1],
                "workers": len(bound),
            },
        )

    async def _drain(self, working: list[asyncio.Task[None]]) -> None:
        """Workers serve on for a while, unready, then finish; whoever does not is killed."""
        server = self._config.server
        delay = 0.0 if self._fatal else server.drain_seconds
        self._emit("info", "draining", {"delay_seconds": delay, "grace_seconds": server.grace_seconds})
        if self._operations is not None:
            self._operations.draining = True
        for slot in self._slots:
            slot.drain(delay, server.grace_seconds)
        _, late = await asyncio.wait(working, timeout=delay + server.grace_seconds + _LEAVE_SECONDS)
        if late:
            self._emit("error", "workers did not end", {"workers": len(late)})

    async def _end(self, writing: asyncio.Task[None]) -> None:
        """Stop whatever is left, the writer last but for the health listener."""
        for slot in self._slots:
            slot.kill()
        if self._operations is not None:
            await self._operations.flush()
        await self._writer.stop()
        if self._operations is not None:
            await self._operations.close()
        self._tasks.discard(writing)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(writing, *self._tasks, return_exceptions=True)
        self._emit("info", "stopped", {})

    def _terminate(self) -> None:
        """The first time drain, from the second on hurry."""
        self._terms += 1
        if self._terms > 1:
            for slot in self._slots:
                slot.drain(0.0, self._config.server.grace_seconds)
        self._stop.set()

    def _worker_ended(self, slot: Slot) -> None:
        if self._operations is None or not self._operations.was_ready:
            # The first start: whoever started it should see why it fails, not a server that keeps trying.
            self._early_ends += 1
            if self._early_ends >= _EARLY_ENDS:
                self._fatal = f"workers ended {self._early_ends} times before any was ready: see the lines above"
            self._fatal = slot.problem or self._fatal
            if self._fatal:
                self._stop.set()
        if self._operations is not None:
            self._operations.worker_ended(slot)

    def _writer_ended(self) -> None:
        if self._operations is not None:
            self._operations.metrics.writer_restarts.inc()

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` beside everything else; a bug in it ends the server, in order and with a log line."""
        task = asyncio.create_task(self._watched(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as bug:  # noqa: BLE001 - the boundary of a background task
            self._emit("error", "internal error", logs.place(bug))
            self._fatal = f"internal error: {type(bug).__name__}"
            self._stop.set()

    def _emit(self, level: str, event: str, fields: logs.Fields) -> None:
        if self._log is None:
            self._log = logs.stderr_emit()
            logs.bridge(self._log)
        self._log(level, event, fields)
