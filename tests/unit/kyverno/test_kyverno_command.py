"""Programs that are not there, not the right one, or do not behave: each is told apart, and none is waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support.kyverno import asked, classic, pod, policies, program

from gateway.config.policy import KyvernoCommand
from gateway.core.errors import ConfigError
from policies.kyverno.command import Bounds
from policies.kyverno.judging import Kyverno
from policies.kyverno.loading import load_kyverno
from policies.ruleset import Outcome

RULE = """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate: {message: m, pattern: {metadata: {labels: {team: "?*"}}}}
"""
SHORT = Bounds(seconds=1.0, output_bytes=100_000)


async def judged(path: str, *, objects: int = 1, bounds: Bounds = SHORT) -> list[Outcome]:
    kyverno = Kyverno(policies(classic(RULE)), path, "1.19.1", bounds)
    return await kyverno.judge_all([asked(pod(f"p{index}")) for index in range(objects)])


def reasons(outcomes: list[Outcome]) -> set[str]:
    assert all(outcome.findings == () and outcome.judged == 1 for outcome in outcomes)
    return {one.reason for outcome in outcomes for one in outcome.undecided}


async def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never held")


def still_running(mark: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if mark in " ".join(_command(process))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("v1.18.4", "version 1.18.4, which is not supported"),
        ("v1.20.0", "1.20.0"),
        ("---", "does not tell its version"),
    ],
)
async def test_another_version_is_one_clear_error(tmp_path: Path, version: str, why: str) -> None:
    """A version that is not supported, or none, stops with how to get the right one."""
    config = KyvernoCommand(command=program(tmp_path, version=version))
    with pytest.raises(ConfigError, match=why) as caught:
        await load_kyverno(policies(classic(RULE)), config)
    assert "https://github.com/kyverno/kyverno/releases" in str(caught.value)


async def test_a_missing_program_is_one_clear_error(tmp_path: Path) -> None:
    """The message names what was looked for, how to get it, and the setting."""
    with pytest.raises(ConfigError, match=r"there is no .*/none: get kyverno-cli v1\.19 .*policy\.kyverno\.command"):
        await load_kyverno(policies(classic(RULE)), KyvernoCommand(command=str(tmp_path / "none")))


async def test_a_program_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """A file that is no program."""
    path = tmp_path / "kyverno"
    path.write_bytes(b"\x7fELF nothing")
    path.chmod(0o755)
    with pytest.raises(ConfigError, match="cannot be started"):
        await load_kyverno(policies(classic(RULE)), KyvernoCommand(command=str(path)))


async def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """At its deadline the objects are undecided, once for all, and the whole group is gone."""
    path = program(tmp_path, "sleep 98761 &", "sleep 98761")
    started = time.monotonic()
    assert reasons(await judged(path, objects=8)) == {"Kyverno did not end within 1 s"}
    assert time.monotonic() - started < 5
    await eventually(lambda: not still_running("sleep 98761"))


async def test_whoever_goes_away_leaves_nothing(tmp_path: Path) -> None:
    """A cancelled call kills the group and removes its folder."""
    path = program(tmp_path, f"pwd > {tmp_path}/where; touch {tmp_path}/began", "sleep 98762")
    task = asyncio.create_task(judged(path, bounds=Bounds()))
    await eventually((tmp_path / "began").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not still_running("sleep 98762"))
    where = Path((tmp_path / "where").read_text().strip())
    assert where.name.startswith("govgate-kyverno-")
    assert not await asyncio.to_thread(where.exists)


@pytest.mark.parametrize("stream", ["", " >&2"])
async def test_one_that_floods_is_stopped(tmp_path: Path, stream: str) -> None:
    """More output, or messages, than may be: undecided, long before a disk or memory is full."""
    outcomes = await judged(program(tmp_path, f"while :; do echo 0123456789012345678901234567890{stream}; done"))
    (reason,) = reasons(outcomes)
    assert "more than 100000 bytes" in reason or "did not end" in reason


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("exit 3", "ended with status 3"),
        ("kill -SEGV $$", "ended with status -11"),
        ("echo 'panic: boom' >&2; exit 2", "status 2: panic: boom"),
        ("exit 0", "leaves out objects that it was given"),
        ('echo \'{"kind":"ClusterReport"\'', "cannot be read"),
        ('echo \'{"kind":"ClusterReport","apiVersion":"v1","results":[]}\'', "not an OpenReports one"),
    ],
)
async def test_one_that_crashes_or_says_nothing_is_no_pass(tmp_path: Path, line: str, why: str) -> None:
    """Whatever it ends with: without a complete account, its objects are undecided."""
    (reason,) = reasons(await judged(program(tmp_path, line)))
    assert why in reason


async def test_a_report_about_other_objects_is_no_report(tmp_path: Path) -> None:
    """A pass of our own witness for an object of that name, but not of that uid, is not believed."""
    results = '[{"policy":"govgate-witness","result":"pass","resources":[{"name":"p0","uid":"x"}]}]'
    line = f'echo \'{{"kind":"ClusterReport","apiVersion":"openreports.io/v1alpha1","results":{results}}}\''
    (reason,) = reasons(await judged(program(tmp_path, line)))
    assert "an object that it was not given" in reason


async def test_what_fails_is_looked_for_a_bounded_number_of_times(tmp_path: Path) -> None:
    """A program that always fails is not started for each of many objects."""
    path = program(tmp_path, f"echo x >> {tmp_path}/calls", "exit 4")
    outcomes = await judged(path, objects=100)
    assert reasons(outcomes) == {"Kyverno ended with status 4: it ended with status 4"}
    assert 2 < len((tmp_path / "calls").read_text().splitlines()) <= 24 + 7


async def test_it_is_alone_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's environment reaches it; its files are for this user alone."""
    monkeypatch.setenv("GOVGATE_SECRET", "hunter2")
    path = program(tmp_path, f"env > {tmp_path}/env", f"ls -ln . > {tmp_path}/files", f"stat -c %a . > {tmp_path}/mode")
    await judged(path)
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {"PATH", "HOME", "TMPDIR", "KUBECONFIG", "GOMEMLIMIT", "GOTRACEBACK", "PWD", "SHLVL", "_", "OLDPWD"}
    assert "KUBECONFIG=/dev/null" in (tmp_path / "env").read_text()
    assert (tmp_path / "mode").read_text().strip() == "700"
    modes = {line.split()[0][:10] for line in (tmp_path / "files").read_text().splitlines()[1:]}
    assert modes == {"-rw-------"}
