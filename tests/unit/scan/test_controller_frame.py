"""Loops of a controller: each is kept going whatever becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from gateway.config.controller import Controller as Section
from gateway.config.controller import Election
from gateway.config.model import Config
from gateway.controllers.frame import Checks, Context, Controller, Loop, WornOutError
from gateway.core.errors import ClusterError


class Counting:
    """Runs ``work`` each time it is run, then waits."""

    def __init__(self, name: str, work: Callable[[], None] = lambda: None, *, everywhere: bool = False) -> None:
        self.name = name
        self.everywhere = everywhere
        self.runs = 0
        self._work = work

    async def run(self) -> None:
        self.runs += 1
        self._work()
        await asyncio.Event().wait()

    def checks(self) -> Checks:
        return {"own": True}


def controller(tmp_path: Path, *loops: Loop) -> tuple[Controller, CollectorRegistry]:
    section = Section(election=Election(enabled=False))
    config, registry = msgspec.structs.replace(Config(), controller=section), CollectorRegistry()
    context = Context(config, None, registry, tmp_path)
    return Controller(context, [lambda _, loop=loop: loop for loop in loops] + [lambda _: None]), registry


def raising(error: Exception, times: int) -> Callable[[], None]:
    left = iter(range(times))

    def work() -> None:
        if next(left, None) is not None:
            raise error

    return work


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.001)


async def test_a_loop_that_fails_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason shown meanwhile; a bug is one more reason, and the other loop has not noticed."""
    monkeypatch.setattr("gateway.controllers.frame._RETRY_SECONDS", 0.01)
    weak = Counting("weak", raising(ClusterError("no answer"), 1))
    broken = Counting("broken", raising(KeyError("secret"), 2))
    steady = Counting("steady")
    made, registry = controller(tmp_path, weak, broken, steady)
    assert made.names == ["weak", "broken", "steady"]
    running = asyncio.create_task(made.run())
    await until(lambda: "weak" in made.checks())
    assert made.checks()["weak"] == "no answer"
    assert made.checks()["broken"] == "internal error: KeyError"
    await until(lambda: (weak.runs, broken.runs) == (2, 3))
    assert made.checks() == {"weak/own": True, "broken/own": True, "steady/own": True}
    assert steady.runs == 1
    assert registry.get_sample_value("govgate_controller_loop_failures_total", {"loop": "broken"}) == 2
    assert registry.get_sample_value("govgate_controller_leading") == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert registry.get_sample_value("govgate_controller_leading") == 0


async def test_a_process_that_is_worn_out_ends(tmp_path: Path) -> None:
    """Whatever the other loops do."""
    made, _ = controller(tmp_path, Counting("steady"), Counting("worn", raising(WornOutError("go on elsewhere"), 1)))
    with pytest.raises(WornOutError, match="elsewhere"):
        await made.run()


async def test_what_serves_everywhere_does_not_wait_for_the_lease(tmp_path: Path) -> None:
    """It runs beside whatever waits, and is kept going as the others are."""
    serving = Counting("serving", raising(ClusterError("no"), 0), everywhere=True)
    working = Counting("working")
    one, _ = controller(tmp_path, serving, working)
    waiting = asyncio.Event()

    class Elector:
        problem = ""

        async def run(self, _work: object) -> None:
            await waiting.wait()

    one._elector = Elector()
    task = asyncio.ensure_future(one.run())
    await until(lambda: serving.runs == 1)
    assert working.runs == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
