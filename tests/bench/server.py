"""The real server under load: one worker on one core, the load generator, supervisor and audit writer on another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from support.tools import tool

from bench.environment import Row, rate
from bench.load import reviews

WORKER_CORE, OTHER_CORE = 0, 1
CONNECTIONS = 16
GOAL_PER_SECOND = 4_000


class Running:
    """A started server: its ports, its processes and the files to load it with."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], ready: dict[str, Any], seconds: float) -> None:
        self.ready_seconds = seconds
        self.url = f"https://127.0.0.1:{ready['port']}/v1/validate?timeout=10s"
        self.ca = folder / "tls" / "ca.crt"
        self.bodies = folder / "bodies.jsonl"
        self.bodies.write_text(
            "".join(json.dumps(review, separators=(",", ":")) + "\n" for review in reviews()), encoding="utf-8"
        )
        self._supervisor = psutil.Process(process.pid)

    @property
    def worker(self) -> psutil.Process:
        """The one worker."""
        return next(p for p in self._supervisor.children() if "gateway.server.worker" in p.cmdline())

    def cpu_seconds(self) -> dict[str, float]:
        """What the worker and the writer of the audit log have taken of processors so far."""
        writer = next(p for p in self._supervisor.children() if "gateway.audit.writer" in p.cmdline())
        times = {"worker": self.worker.cpu_times(), "writer": writer.cpu_times()}
        return {name: spent.user + spent.system for name, spent in times.items()}

    def pin(self) -> None:
        """The worker alone on its core."""
        for process in (self._supervisor, *self._supervisor.children(recursive=True)):
            process.cpu_affinity([OTHER_CORE])
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {OTHER_CORE})
        for thread in self.worker.threads():
            os.sched_setaffinity(thread.id, {WORKER_CORE})

    def load(self, **options: Any) -> dict[str, Any]:
        """Run the load generator on the other core; its flags are the options."""
        return self._load(self.url, options)

    def bare(self, burn_seconds: float) -> dict[str, Any]:
        """The same load on a bare handler, on the worker's core."""
        command = ["taskset", "-c", str(WORKER_CORE), sys.executable, "-m", "bench.bare"]
        command += [str(self.ca.with_name("tls.crt")), str(self.ca.with_name("tls.key")), str(burn_seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                return self._load(f"https://127.0.0.1:{int(process.stdout.readline())}/", {"seconds": 5})
            finally:
                process.kill()

    def _load(self, url: str, options: dict[str, Any]) -> dict[str, Any]:
        command = ["taskset", "-c", str(OTHER_CORE), tool("loadgen")]
        command += ["-url", url, "-ca", str(self.ca), "-bodies", str(self.bodies)]
        options.setdefault("connections", CONNECTIONS)
        for name, value in options.items():
            command += [f"-{name}={str(value).lower() if isinstance(value, bool) else value}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        measured: dict[str, Any] = json.loads(done.stdout)
        return measured

    def resident_mib(self) -> float:
        """Of the worker: what is resident, in MiB."""
        return round(self.worker.memory_info().rss / 2**20, 1)


DRIFT_ALONE = {"policy": {"sources": []}}
"""What the goals for the drift guard's path are measured with; the default rules are measured beside it."""


@contextmanager
def started(folder: Path, config: dict[str, Any] | None = None) -> Iterator[Running]:
    """``govgate serve`` with one worker in ``folder``."""
    configuration = folder / "config.yaml"
    configuration.write_text(json.dumps(config or {}), encoding="utf-8")
    command = [sys.executable, "-m", "gateway", "serve", "--self-signed", "--state-dir", str(folder)]
    command += ["--config", str(configuration), "--host", "127.0.0.1", "--port", "0", "--health-port", "0"]
    log = folder / "serve.log"
    began = time.monotonic()
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdout=subprocess.DEVNULL)
    try:
        ready = _wait(log, process)
        yield Running(folder, process, ready, time.monotonic() - began)
    finally:
        for _ in range(2):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        process.wait(60)


def _wait(log: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    while process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"ready"' in line:
                event: dict[str, Any] = json.loads(line)
                return event
        time.sleep(0.005)
    raise RuntimeError(f"the server ended: {log.read_text(encoding='utf-8')[-2000:]}")


def measure(folder: Path) -> dict[str, Any]:
    """Start-up, first answer, throughput with bodies seen before and with bodies all different, latency, memory."""
    found: dict[str, Any] = {}
    with started(_sub(folder, "batched"), DRIFT_ALONE) as server:
        found["ready_seconds"] = round(server.ready_seconds, 2)
        server.pin()
        found["first"] = server.load(requests=1, connections=1)
        server.load(seconds=3)
        found["resident_mib_start"] = server.resident_mib()
        found["throughput"] = server.load(seconds=10)
        found["bare"] = server.bare(0.0)
        found["bare_burning"] = server.bare(0.0001)
        found["half_load"] = server.load(seconds=10, rate=GOAL_PER_SECOND / 2)
        found["half_of_reached"] = server.load(seconds=10, rate=found["throughput"]["perSecond"] / 2)
        found["throughput_unique_bodies"] = server.load(seconds=10, unique=True)
        found["resident_mib_unique"] = server.resident_mib()
        server.load(requests=200_000)
        found["resident_mib_end"] = server.resident_mib()
    with started(_sub(folder, "durable"), {**DRIFT_ALONE, "audit": {"mode": "durable"}}) as server:
        server.pin()
        server.load(seconds=2)
        found["throughput_durable"] = server.load(seconds=5, connections=64)
    with started(_sub(folder, "rules")) as server:
        server.pin()
        server.load(seconds=3)
        found["throughput_with_rules"] = server.load(seconds=10)
        found["resident_mib_with_rules"] = server.resident_mib()
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    growth = found["resident_mib_end"] - found["resident_mib_unique"]
    first = found["first"]
    return [
        ("reviews/s, one worker, audit batched", rate(found["throughput"]), f"≥ {GOAL_PER_SECOND:,}"),
        ("  a bare handler here, doing nothing", rate(found["bare"]), ""),
        ("  a bare handler here, burning 100 µs", rate(found["bare_burning"]), "6,100 elsewhere"),
        ("reviews/s, every body different", rate(found["throughput_unique_bodies"]), ""),
        ("reviews/s, audit durable, 64 connections", rate(found["throughput_durable"]), ""),
        ("reviews/s with the default rules too", rate(found["throughput_with_rules"]), ""),
        ("resident per worker with them", f"{found['resident_mib_with_rules']} MiB", ""),
        ("p99 at 2,000 reviews/s", f"{found['half_load']['p99Ms']:.2f} ms", "≤ 5 ms"),
        ("p99 at half of what was reached", f"{found['half_of_reached']['p99Ms']:.2f} ms", ""),
        ("resident, worker, warm", f"{found['resident_mib_start']} MiB", "≤ 110 MiB"),
        ("resident after 200,000 more", f"{found['resident_mib_end']} MiB ({growth:+.1f})", "no growth"),
        ("ready after", f"{found['ready_seconds']} s", "≤ 1.5 s"),
        (
            "first request after readiness",
            f"{first['firstMs']:.1f} ms, {'right' if _right(first) else 'WRONG'}",
            "right",
        ),
    ]


def _right(first: dict[str, Any]) -> bool:
    """The first scene of the load is a person's change of a declared image: a denial, well within the deadline."""
    return bool(first["denied"] == 1 and first["firstMs"] < 10_000)


def _sub(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path
