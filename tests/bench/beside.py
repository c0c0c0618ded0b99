"""What comparisons with other admission webhooks share: the reviews, the load, what of a server is measured."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from support.tools import tool

from bench import templates
from bench.environment import Row, rate
from bench.server import OTHER_CORE, WORKER_CORE, started

REVIEWS = 20
SECONDS = 10
CONNECTIONS = 8


class Subject:
    """A server under load: where it listens, what it trusts, its processes."""

    def __init__(self, url: str, ca: Path, processes: Sequence[psutil.Process]) -> None:
        self.url = url
        self.ca = ca
        self._processes = list(processes)
        for process in self._processes:
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {WORKER_CORE})
            process.cpu_affinity([WORKER_CORE])

    def cpu_seconds(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return sum(one.user + one.system for one in times)

    def resident_mib(self) -> float:
        """Of all its processes; pages that several of them share count once (proportional set size)."""
        return round(sum(process.memory_full_info().pss for process in self._processes) / 2**20, 1)

    def load(self, bodies: Path, **options: Any) -> dict[str, Any]:
        """What loadgen measured, with the reviews for each second of the server's CPU, and its memory."""
        command = ["taskset", "-c", str(OTHER_CORE), tool("loadgen"), "-url", self.url, "-ca", str(self.ca)]
        command += ["-bodies", str(bodies), "-connections", str(CONNECTIONS)]
        command += [f"-{name}={value}" for name, value in {"seconds": SECONDS, **options}.items()]
        before = self.cpu_seconds()
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        measured: dict[str, Any] = json.loads(done.stdout)
        measured["perCpuSecond"] = measured["requests"] / max(0.01, self.cpu_seconds() - before)
        measured["residentMib"] = self.resident_mib()
        return measured


def compare(folder: Path, name: str, other: AbstractContextManager[Subject], sources: Sequence[str]) -> dict[str, Any]:
    """Both servers with Pods that are allowed and Pods that are denied; then both at half of what the other reached.

    One after the other. ``sources``: the rules that govgate judges by.
    """
    bodies = {kind: write_bodies(folder / f"{kind}.jsonl", allowed=kind == "allowed") for kind in ("allowed", "denied")}
    found: dict[str, Any] = {"pod_bytes": _size(), "connections": CONNECTIONS}
    with other as subject:
        found[name] = _loaded(subject, bodies)
        rate = found[name]["allowed"]["perSecond"] / 2
        found["equal_load"] = {"perSecond": rate, name: subject.load(bodies["allowed"], rate=rate)}
    with _govgate(folder, sources) as subject:
        found["govgate"] = _loaded(subject, bodies)
        found["equal_load"]["govgate"] = subject.load(bodies["allowed"], rate=rate)
    for kind in bodies:
        one, two = (found[who][kind] for who in ("govgate", name))
        if (one["denied"] > 0, one["allowed"] > 0) != (two["denied"] > 0, two["allowed"] > 0):
            raise RuntimeError(f"the verdicts differ: {kind}: {one}, {two}")
    return found


def compared(found: dict[str, Any], name: str, *, times: float, latency: float | None = None) -> list[Row]:
    """What to print. ``times``: how many times the other's reviews per CPU second are the goal; ``latency``: the
    share of its 99th percentile at equal load, if that is a goal.
    """
    rows = []
    for kind in ("allowed", "denied"):
        ours, theirs = found["govgate"][kind], found[name][kind]
        ratio = ours["perCpuSecond"] / theirs["perCpuSecond"]
        rows += [
            (f"{name}: reviews/s, {kind}", rate(theirs), ""),
            (f"  govgate, {kind}", rate(ours), ""),
            (f"  {name}: per CPU second, {kind}", f"{theirs['perCpuSecond']:,.0f}", ""),
            (f"  govgate, {kind}", f"{ours['perCpuSecond']:,.0f} ({ratio:.1f} times)", f"≥ {times:g} times"),
        ]
    equal = found["equal_load"]
    ours, theirs = equal["govgate"]["p99Ms"], equal[name]["p99Ms"]
    rows.append((f"  {name}: p99 at {equal['perSecond']:,.0f} reviews/s", f"{theirs:.1f} ms", ""))
    rows.append(("  govgate", f"{ours:.1f} ms", f"≤ {theirs * latency:.1f} ms" if latency else ""))
    theirs, ours = found[name]["denied"]["residentMib"], found["govgate"]["denied"]["residentMib"]
    rows.append(("  resident, all processes", f"{ours} MiB", f"≤ {theirs} MiB"))
    return rows


def _loaded(subject: Subject, bodies: dict[str, Path]) -> dict[str, Any]:
    for file in bodies.values():
        subject.load(file, seconds=2)
    return {name: subject.load(file) for name, file in bodies.items()}


def write_bodies(file: Path, *, allowed: bool) -> Path:
    """A file of reviews of new Pods, all different."""
    lines = (json.dumps(templates.review(number, allowed=allowed)) for number in range(REVIEWS))
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def _size() -> int:
    return len(json.dumps(templates.pod(1), separators=(",", ":")))


@contextmanager
def _govgate(folder: Path, sources: Sequence[str]) -> Iterator[Subject]:
    with started(made(folder / "govgate"), {"policy": {"sources": list(sources)}}) as server:
        root = psutil.Process(server.worker.ppid())
        yield Subject(server.url, server.ca, [root, *root.children(recursive=True)])


def made(folder: Path) -> Path:
    """The folder, which was not there."""
    folder.mkdir()
    return folder
