"""The helper process that templates run in: what ends it, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.native.kept import Kept, KeptBounds
from gateway.native.library import NativeError
from gateway.native.templates import Renderer, TemplateBounds, TemplateError

pytestmark = pytest.mark.native

ENDLESS = "{{ range until 99999 }}{{ range until 99999 }}{{ range until 99999 }}{{ end }}{{ end }}{{ end }}"
PATIENCE_SECONDS = 60


def until(ready) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ticks(pid: int) -> int:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_a_helper_that_is_killed_costs_one_call() -> None:
    """The call fails as the engine's failure, the next one has another helper."""
    renderer = Renderer(TemplateBounds(helpers=1, seconds=PATIENCE_SECONDS))
    try:
        await renderer.render(["x"], {}, dialect="sealed-secrets")
        pid = renderer._helpers[0].pid
        before = ticks(pid)
        running = asyncio.ensure_future(renderer.render(["fine", ENDLESS], {}, dialect="sealed-secrets"))
        await asyncio.to_thread(until, lambda: ticks(pid) > before + 10)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(TemplateError, match="ended with SIGKILL") as raised:
            await running
        assert (raised.value.index, raised.value.kind) == (1, "engine")
        assert await renderer.render(["y"], {}, dialect="sealed-secrets") == [b"y"]
    finally:
        renderer.close()


def test_a_helper_that_was_killed_while_idle_costs_none() -> None:
    """It is seen before the call."""
    renderer = Renderer(TemplateBounds(helpers=1))
    try:
        renderer.render_here(["x"], {}, dialect="sealed-secrets")
        pid = renderer._helpers[0].pid
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # all of its threads, not the first alone
        assert renderer.render_here(["y"], {}, dialect="sealed-secrets") == [b"y"]
    finally:
        renderer.close()


def test_processor_time_is_bounded() -> None:
    """By the helper itself."""
    renderer = Renderer(TemplateBounds(helpers=1, seconds=0.2))
    try:
        with pytest.raises(TemplateError, match=r"more than 0\.2 s of processor time") as raised:
            renderer.render_here(["fine", ENDLESS], {}, dialect="sealed-secrets")
        assert (raised.value.index, raised.value.kind) == (1, "engine")
    finally:
        renderer.close()


def test_time_is_bounded_where_no_processor_is_used() -> None:
    """A helper that was stopped does not hold its caller up."""
    kept = Kept("process.version", KeptBounds(wall_seconds=2))
    try:
        while isinstance(kept.call_each([b""])[0], NativeError):
            pass  # so busy a machine does not start a Python in that time
        pid = kept.pid
        os.kill(pid, signal.SIGSTOP)
        (answer,) = kept.call_each([b""])
        assert isinstance(answer, NativeError)
        assert answer.code == "timeout"
        assert gone(pid)
    finally:
        kept.close()


def test_closing_ends_helpers_and_what_waits_for_them() -> None:
    """Also what is being rendered; and each later call fails at once."""

    async def main() -> None:
        renderer = Renderer(TemplateBounds(helpers=1, seconds=PATIENCE_SECONDS))
        await renderer.render(["x"], {}, dialect="sealed-secrets")
        pid = renderer._helpers[0].pid
        running = [asyncio.ensure_future(renderer.render([ENDLESS], {}, dialect="sealed-secrets")) for _ in range(3)]
        before = ticks(pid)
        await asyncio.to_thread(until, lambda: ticks(pid) > before + 10)
        renderer.close()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            assert isinstance(ended, TemplateError)
            assert (ended.kind, ended.message) == ("engine", "the renderer is closed")
        assert gone(pid)
        with pytest.raises(TemplateError, match="closed"):
            await renderer.render(["x"], {}, dialect="sealed-secrets")

    asyncio.run(main())


OWNER = """
import sys
from gateway.native.templates import Renderer
renderer = Renderer()
renderer.render_here(["x"], {}, dialect="sealed-secrets")
print(renderer._helpers[-1].pid, flush=True)
sys.stdin.read()
"""


def test_a_helper_ends_with_its_owner() -> None:
    """However that ended. Meanwhile nobody can look into it, and no core of it is kept."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        pid = int(owner.stdout.readline())
        limits = Path(f"/proc/{pid}/limits").read_text()
        owner.kill()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    until(lambda: gone(pid))


def test_nothing_of_a_call_stands_where_others_can_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in arguments nor in the environment, which holds nothing of its owner's either."""
    monkeypatch.setenv("PLANTED", "environment-of-the-owner")
    renderer = Renderer(TemplateBounds(helpers=1))
    try:
        renderer.render_here(["{{ .x }}"], {"x": b"planted-value-here"}, dialect="sealed-secrets")
        proc = Path(f"/proc/{renderer._helpers[0].pid}")
        if os.geteuid() == 0:  # the process is not dumpable: only root reads it
            seen = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
            assert b"gateway.native.kept" in seen
            assert b"planted" not in seen
            assert b"PLANTED" not in seen
    finally:
        renderer.close()
