"""The controller: loops that work while this process leads, each kept going whatever becomes of the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from prometheus_client import CollectorRegistry

from gateway.config.model import Config
from gateway.controllers.metrics import ControllerMetrics
from gateway.core.errors import GovgateError
from gateway.kube import KubeClient
from gateway.kube.election import Elector

_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
_log = logging.getLogger(__name__)

Checks = Mapping[str, bool | str]
"""Named checks: True if it holds, else why it does not."""


class WornOutError(GovgateError):
    """The process cannot go on, and another one can: it ends."""


class Context(msgspec.Struct, frozen=True):
    """What loops are made with. ``folder``: of their state; one controller has it."""

    config: Config
    client: KubeClient
    registry: CollectorRegistry
    folder: Path


class Loop(Protocol):
    """Work that goes on until it is cancelled, and that may be cancelled and run again."""

    name: str
    everywhere: bool
    """Whether it is run in each process, whoever leads."""

    async def run(self) -> None:
        """Work until cancelled. What it raises is logged, and it is run again after a while; but for WornOutError."""
        ...

    def checks(self) -> Checks:
        """What somebody should look at; of a loop that does not run, nothing."""
        ...


Maker = Callable[[Context], Loop | None]
"""Makes a loop; None if the configuration does not ask for it."""


class Controller:
    """Runs loops, all of them or none: while this process holds the lease, or always, without an election. Those that
    serve everywhere are run in any case.
    """

    def __init__(self, context: Context, makers: Sequence[Maker]) -> None:
        """Prepare.

        Raises:
            ConfigError: a setting of the election is wrong.
        """
        settings = context.config.controller.election
        self._loops = [loop for loop in (make(context) for make in makers) if loop is not None]
        self._metrics = ControllerMetrics(context.registry)
        self._problems: dict[str, str] = {}
        self._elector: Elector | None = None
        if settings.enabled:
            self._elector = Elector(context.client, context.config.cluster.own_namespace, settings)

    @property
    def names(self) -> list[str]:
        """Of its loops."""
        return [loop.name for loop in self._loops]

    async def run(self) -> None:
        """Until cancelled; then the loops are stopped, and the lease is let go.

        Raises:
            WornOutError: another process has to take over.
        """
        try:
            async with asyncio.TaskGroup() as running:
                for loop in self._loops:
                    if loop.everywhere:
                        running.create_task(self._keep(loop))
                running.create_task(self._work() if self._elector is None else self._elector.run(self._work))
        except* Exception as several:  # noqa: BLE001 - it goes on as the one that it is
            raise several.exceptions[0] from None

    @property
    def problem(self) -> str:
        """Why it cannot be told who leads; empty if it can. A controller that waits for the lease is in order."""
        return self._elector.problem if self._elector is not None else ""

    def checks(self) -> dict[str, bool | str]:
        """Of each loop."""
        checks: dict[str, bool | str] = {}
        for loop in self._loops:
            checks |= {f"{loop.name}/{name}": why for name, why in loop.checks().items()}
            if loop.name in self._problems:
                checks[loop.name] = self._problems[loop.name]
        return checks

    async def _work(self) -> None:
        self._metrics.leading.set(1)
        try:
            async with asyncio.TaskGroup() as running:
                leading = [loop for loop in self._loops if not loop.everywhere]
                for loop in leading:
                    running.create_task(self._keep(loop))
                if not leading:
                    await asyncio.Event().wait()
        except* WornOutError as several:
            raise several.exceptions[0] from None
        finally:
            self._metrics.leading.set(0)

    async def _keep(self, loop: Loop) -> None:
        """Run a loop for ever."""
        delay = _RETRY_SECONDS
        while True:
            started = asyncio.get_running_loop().time()
            self._problems.pop(loop.name, None)
            try:
                await loop.run()
            except WornOutError:
                raise
            except GovgateError as error:
                self._failed(loop, str(error))
            except Exception as error:  # noqa: BLE001 - whatever fails in one loop, the others go on
                _log.exception("a loop failed", extra={"fields": {"loop": loop.name}})
                self._failed(loop, f"internal error: {type(error).__name__}")
            if asyncio.get_running_loop().time() - started > _MAX_RETRY_SECONDS:
                delay = _RETRY_SECONDS
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_RETRY_SECONDS)

    def _failed(self, loop: Loop, problem: str) -> None:
        self._metrics.loop_failures.labels(loop.name).inc()
        self._problems[loop.name] = problem
        _log.warning("a loop ended", extra={"fields": {"loop": loop.name, "problem": problem}})
