"""One place for a worker: its socket stays, the processes that serve it come and go."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gateway
from gateway.config.model import Config
from gateway.server import control
from gateway.server.logs import Emit
from gateway.server.tls import Material

START_SECONDS = 60.0
"""A worker that is not ready by then is killed."""
SILENT_SECONDS = 20.0
"""A worker without a heartbeat for so long hangs, and is killed."""
_LEAVE_SECONDS = 5.0
_FIRST_BACKOFF_SECONDS = 0.1
_LAST_BACKOFF_SECONDS = 10.0
_STABLE_SECONDS = 30.0


class InForce:
    """What every worker is to run with. ``material`` is None until the first certificate was verified."""

    def __init__(self, config: Config, source: str) -> None:
        self.config = config
        self.source = source
        self.material: Material | None = None
        self.verified = asyncio.Event()

    async def start_order(self) -> control.Start:
        """What a new worker is told, as of the moment this returns."""
        await self.verified.wait()
        assert self.material is not None  # noqa: S101 - what the event says
        return control.Start(self.config, self.material, self.config.audit.state_dir)


class Slot:
    """A worker and its successors.

    Args:
        name: the same for every successor; also its name in the metrics.
        sock: listens for as long as the slot exists.
        metrics_dir: where workers count.
        in_force: what a new worker is started with.
        emit: the log.
        on_end: called when a worker ended that was not asked to.
    """

    def __init__(
        self,
        name: str,
        sock: socket.socket,
        metrics_dir: Path,
        *,
        in_force: InForce,
        emit: Emit,
        on_end: Callable[[Slot], None],
    ) -> None:
        self.name = name
        self.checks: dict[str, str] = {}
        self.warnings: dict[str, str] = {}
        self.rules = ""
        """The digest of what the worker judges by; empty while there is none."""
        self.ready = asyncio.Event()
        self.problem = ""
        self.overrunning_since: float | None = None
        """Since when evaluations of rules run on that were answered already (monotonic); None while there are none."""
        self._sock = sock
        self._metrics_dir = metrics_dir
        self._in_force = in_force
        self._emit = emit
        self._on_end = on_end
        self._channel: control.Channel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._replacing = False
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until stopped: keep a worker running."""
        backoff = _FIRST_BACKOFF_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._one_life()
            if self._stopping.is_set():
                return
            if self._replacing:
                self._replacing = False
                continue
            if time.monotonic() - began > _STABLE_SECONDS:
                backoff = _FIRST_BACKOFF_SECONDS
            self._emit("error", "worker ended", {"slot": self.name, "code": code, "again_in_seconds": backoff})
            self._on_end(self)
            try:
                await asyncio.wait_for(self._stopping.wait(), backoff)
            except TimeoutError:
                backoff = min(backoff * 2, _LAST_BACKOFF_SECONDS)

    def send(self, order: control.Order) -> None:
        """Send an order to the worker that is there, if one is."""
        if self._channel is not None:
            self._channel.send(order)

    async def prepare(self, number: int, config: Config, *, seconds: float) -> str:
        """Have the worker prepare ``config``; why it cannot, or an empty text. Without a worker there is no problem."""
        if self._channel is None:
            return ""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self.send(control.Prepare(number, config))
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return f"no answer within {seconds:g} s"
        finally:
            self._answers.pop(number, None)

    def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Have the worker end in an orderly way, and start no other: the socket is the worker's alone from now on."""
        self._stopping.set()
        self._sock.close()
        self.send(control.Drain(delay_seconds, grace_seconds, last=True))

    async def replace(self, grace_seconds: float) -> bool:
        """Have the worker end in an orderly way and start another; whether that is ready."""
        self._replacing = True
        self.ready.clear()
        self.send(control.Drain(0.0, grace_seconds, last=False))
        try:
            await asyncio.wait_for(self.ready.wait(), grace_seconds + START_SECONDS)
        except TimeoutError:
            return False
        return True

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _one_life(self) -> int:
        """One worker from start to end; its exit code."""
        ours, theirs = socket.socketpair()
        # No await before the process has the socket: drain closes it.
        with theirs:
            process = await self._spawn(theirs.fileno())
        self._process = process
        channel = await control.Channel.open(ours, control.Report)
        try:
            start = await self._in_force.start_order()
            # Nothing awaited from here to send: what comes into force next is sent after this.
            channel.send(start)
            self._channel = channel
            if self._stopping.is_set():
                channel.send(control.Drain(0.0, start.config.server.grace_seconds, last=True))
            await self._listen(channel)
        finally:
            self._channel = None
            self.ready.clear()
            self.checks, self.warnings, self.rules = {}, {}, ""
            self.overrunning_since = None
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result("the worker ended")
            await channel.close()
            code = await self._reap(process)
        return code

    async def _spawn(self, channel: int) -> asyncio.subprocess.Process:
        listen = self._sock.fileno()
        # -P: never import from the folder that govgate happens to be started in.
        command = [
            sys.executable,
            "-P",
            "-m",
            "gateway.server.worker",
            "--slot",
            self.name,
            "--parent",
            str(os.getpid()),
        ]
        command += ["--channel", str(channel), "--listen", str(listen), "--metrics", str(self._metrics_dir)]
        return await asyncio.create_subprocess_exec(
            *command, pass_fds=(channel, listen), env=child_environment(), stdin=asyncio.subprocess.DEVNULL
        )

    async def _listen(self, channel: control.Channel) -> None:
        """Take reports until the worker is gone or hangs."""
        while True:
            patience = SILENT_SECONDS if self.ready.is_set() else START_SECONDS
            try:
                async with asyncio.timeout(patience):
                    report = await channel.receive()
            except TimeoutError:
                self._emit("error", "worker is silent", {"slot": self.name, "seconds": patience})
                self.kill()
                return
            if report is None:
                return
            self._take(report)

    def _take(self, report: control.Report) -> None:
        match report:
            case control.Ready():
                self.problem = ""
                self.ready.set()
            case control.Status(checks, overrunning, warnings, rules):
                self.checks, self.warnings, self.rules = checks, warnings, rules
                if not overrunning:
                    self.overrunning_since = None
                elif self.overrunning_since is None:
                    self.overrunning_since = time.monotonic()
            case control.Log(level, event, fields):
                self._emit(level, event, {"slot": self.name, **fields})
            case control.Failed(problem):
                self.problem = problem
            case control.Prepared(number, problem):
                answer = self._answers.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(problem)

    async def _reap(self, process: asyncio.subprocess.Process) -> int:
        try:
            return await asyncio.wait_for(process.wait(), _LEAVE_SECONDS)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            return await process.wait()


def child_environment() -> dict[str, str]:
    """Of a process of ours: it finds this govgate, wherever it was started from."""
    root = str(Path(gateway.__file__).parents[1])
    inherited = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root}
