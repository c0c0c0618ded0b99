"""What one gateway costs a large cluster: memory and start with 1,000 CRDs installed, and what a write takes longer.

The cluster is a real API server with the CRDs of every reconciler that govgate knows, and as many tiny ones as
``GOVGATE_BENCH_CRDS`` says; the gateway watches it, with every reconciler on and the default rules. Writes are dry runs
through the API server at 200 a second: they take every step but etcd's, whose own time would hide the difference. In
each round the same load meets no webhook, one that allows everything and does nothing (the load generator's, in Go),
and the gateway, in an order that turns; differences are those within a round. What the webhook that does nothing adds
is what asking any webhook costs on the machine, where API server, etcd, load and webhook share the cores.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from recordings.objects import APP, deployment
from support.cluster import Cluster, wait_for
from support.crds import (
    ARGO_CD,
    COMPOSED,
    CONFIG_SYNC,
    EXTERNAL_SECRETS,
    FLUX,
    METAL3,
    PACKAGES,
    PULUMI,
    TOFU,
    Crd,
)
from support.registration import registered, wait_forgotten
from support.tools import tool
from support.users import ALICE, ROOT

from bench.environment import Row
from bench.server import Running, started

CRDS = int(os.environ.get("GOVGATE_BENCH_CRDS", "1000"))
SECONDS = float(os.environ.get("GOVGATE_BENCH_SECONDS", "20"))
ROUNDS = int(os.environ.get("GOVGATE_BENCH_ROUNDS", "5"))
RATE = 200
CONNECTIONS = 16
_STARTS = 3
_INSTALL_SECONDS = 1_800.0
_SETTLE_SECONDS = 3.0
_QUIET_PERCENT = 15.0
_NAMESPACE = "shop"
_WAYS = ("without", "nothing", "with")
"""No webhook, one that does nothing, the gateway."""
_RECONCILERS = (*FLUX, *ARGO_CD, *PACKAGES, *EXTERNAL_SECRETS, *CONFIG_SYNC, *PULUMI, *TOFU, *METAL3, *COMPOSED)
_EVERY_RECONCILER = {
    name: {"mode": "enforce"} for name in ("fleet", "pulumi", "tofuController", "metal3", "helmReleases")
}
"""Those that are off until somebody turns them on."""


def measure(folder: Path) -> dict[str, Any]:
    """Start, memory, and latency with the gateway, with a webhook that does nothing, and without any."""
    with _cluster(folder) as cluster:
        found: dict[str, Any] = {"crds": CRDS, "rate": RATE, "install_seconds": _install(cluster)}
        config = {
            "cluster": {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT))},
            "drift": _EVERY_RECONCILER,
        }
        found["ready_seconds"] = []
        for number in range(_STARTS - 1):
            with started(_made(folder / f"start-{number}"), config) as server:
                found["ready_seconds"].append(round(server.ready_seconds, 2))
        with started(_made(folder / "gateway"), config) as server, _doing_nothing(server.ca.parent) as nothing:
            found["ready_seconds"].append(round(server.ready_seconds, 2))
            found["memory_ready"] = _memory(server.worker)
            urls = {"with": server.url.partition("?")[0], "nothing": nothing}
            found["rounds"] = [_round(cluster, server, urls, folder, number) for number in range(ROUNDS)]
            found["memory_end"] = _memory(server.worker)
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    memory, ready = found["memory_end"], statistics.median(found["ready_seconds"])
    rounds, at = found["rounds"], f"a write at {found['rate']}/s"

    def told(way: str, percentile: str) -> str:
        taken = statistics.median(one[way][percentile] for one in rounds)
        added = statistics.median(one[way][percentile] - one["without"][percentile] for one in rounds)
        return f"{taken:.2f} ms, {added:+.2f}"

    failed = sum(one[way]["failed"] for one in rounds for way in _WAYS)
    reached = min(one[way]["perSecond"] for one in rounds for way in _WAYS)
    spent = {name: statistics.median(one["cpu_ms"][name] for one in rounds) for name in ("worker", "writer")}
    return [
        (f"with {found['crds']} CRDs: resident, worker, PSS", f"{memory['pss_mib']} MiB", "≤ 120 MiB"),
        ("  RSS, which counts what is shared", f"{memory['rss_mib']} MiB", ""),
        ("  PSS when it was ready", f"{found['memory_ready']['pss_mib']} MiB", ""),
        ("  ready after (median of starts)", f"{ready} s", "≤ 3 s"),
        (f"{at}, p50", told("with", "p50Ms"), ""),
        (f"{at}, p99", told("with", "p99Ms"), "≤ 3 ms added"),
        ("  a webhook that does nothing, p50", told("nothing", "p50Ms"), ""),
        ("  a webhook that does nothing, p99", told("nothing", "p99Ms"), ""),
        ("  CPU of a request, worker and log", f"{spent['worker']:.2f} + {spent['writer']:.2f} ms", ""),
        ("  reached, failed", f"{reached:.0f}/s, {failed}", f"{found['rate']}/s, 0"),
    ]


@contextmanager
def _doing_nothing(tls: Path) -> Iterator[str]:
    """A webhook beside the gateway, with its certificate: its URL."""
    command = [tool("loadgen"), "-nothing", f"{tls / 'tls.crt'},{tls / 'tls.key'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"https://127.0.0.1:{int(process.stdout.readline())}/v1/validate"
        finally:
            process.kill()


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(_made(folder / "cluster"))
    try:
        cluster.start()
        cluster.install(_RECONCILERS)
        cluster.api(ROOT).create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}})
        yield cluster
    finally:
        cluster.stop()


def _install(cluster: Cluster) -> float:
    """Tiny CRDs, several groups of them, each served before this returns; the seconds it took."""
    began, root = time.monotonic(), cluster.api(ROOT)
    crds = [Crd(f"g{n % 50}.example.com", f"Thing{n}", f"thing{n}s", ("v1",)) for n in range(CRDS)]

    def create(crd: Crd) -> None:
        cluster.api(ROOT).create(crd.manifest(), manager="bench")

    with ThreadPoolExecutor(4) as pool:
        for number, _ in enumerate(pool.map(create, crds), 1):
            if time.monotonic() - began > _INSTALL_SECONDS:
                raise TimeoutError(f"{number} of {CRDS} CRDs within {_INSTALL_SECONDS:g} s")
            if number % 100 == 0:
                _say(f"  {number} of {CRDS} CRDs, {time.monotonic() - began:.0f} s")
    left = _INSTALL_SECONDS - (time.monotonic() - began)
    wait_for(lambda: _established(root.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")), seconds=left)
    took = round(time.monotonic() - began, 1)
    # Schemas are still put together for a while.
    apiserver = psutil.Process(cluster.apiserver.pid)
    wait_for(lambda: apiserver.cpu_percent(1.0) < _QUIET_PERCENT, seconds=300)
    return took


def _established(crds: list[dict[str, Any]]) -> bool:
    def is_served(crd: dict[str, Any]) -> bool:
        conditions = crd.get("status", {}).get("conditions") or []
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    return all(map(is_served, crds))


def _round(cluster: Cluster, server: Running, urls: dict[str, str], folder: Path, number: int) -> dict[str, Any]:
    """The load in each of the ways; the one that begins turns from round to round. ``cpu_ms``: of a request."""
    found: dict[str, Any] = {}
    turn = number % len(_WAYS)
    for way in (*_WAYS[turn:], *_WAYS[:turn]):
        if way == "without":
            found[way] = _load(cluster, folder)
            continue
        with registered(cluster, urls[way], server.ca):
            before = server.cpu_seconds()
            found[way] = _load(cluster, folder)
            if way == "with":
                requests = found[way]["requests"] + int(RATE * _SETTLE_SECONDS)
                after = server.cpu_seconds()
                found["cpu_ms"] = {name: round((after[name] - before[name]) / requests * 1_000, 3) for name in after}
        # The API server forgets a registration a moment after it is gone.
        wait_forgotten(cluster)
    return found


def _load(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """Deployments that are allowed, created as dry runs."""
    bodies, token = folder / "bodies.jsonl", folder / "token"
    items = [_allowed(number) for number in range(20)]
    bodies.write_text("".join(json.dumps(item, separators=(",", ":")) + "\n" for item in items), encoding="utf-8")
    token.write_text(ALICE.token, encoding="utf-8")
    url = f"{cluster.url}/apis/apps/v1/namespaces/{_NAMESPACE}/deployments?dryRun=All"
    command = [tool("loadgen"), "-url", url, "-ca", cluster.ca_file, "-bodies", str(bodies), "-token-file", str(token)]
    command += [f"-connections={CONNECTIONS}", f"-rate={RATE}"]
    for seconds in (_SETTLE_SECONDS, SECONDS):  # the first one warms up whatever the change of registration made cold
        done = subprocess.run(
            [*command, f"-seconds={seconds:g}"], capture_output=True, text=True, check=True, timeout=600
        )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _allowed(number: int) -> dict[str, Any]:
    item = deployment(_NAMESPACE, f"api-{number}")
    item["metadata"]["labels"] = dict(APP)
    return item


def _memory(worker: psutil.Process) -> dict[str, float]:
    info = worker.memory_full_info()
    return {"pss_mib": round(info.pss / 2**20, 1), "rss_mib": round(info.rss / 2**20, 1)}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
