"""What one gateway costs a large cluster: memory and start with 1,000 CRDs installed, and what a write takes longer.

The cluster is a real API server with the CRDs of every reconciler that govgate knows, and as many tiny ones as
``GOVGATE_BENCH_CRDS`` says; the gateway watches it, with the default configuration. Writes are dry runs through the API
server at 200 a second: they take every step but etcd's, whose own time would hide the difference. Rounds with the
webhook registered and rounds without it alternate; the difference is that of each pair.
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
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.crds import ARGO_CD, FLUX, Crd
from support.registration import registered
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


def measure(folder: Path) -> dict[str, Any]:
    """Start, memory, and latency with and without the webhook."""
    with _cluster(folder) as cluster:
        found: dict[str, Any] = {"crds": CRDS, "rate": RATE, "install_seconds": _install(cluster)}
        config = {"cluster": {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT))}}
        found["ready_seconds"] = []
        for number in range(_STARTS - 1):
            with started(_made(folder / f"start-{number}"), config) as server:
                found["ready_seconds"].append(round(server.ready_seconds, 2))
        with started(_made(folder / "gateway"), config) as server:
            found["ready_seconds"].append(round(server.ready_seconds, 2))
            found["memory_ready"] = _memory(server.worker)
            found["rounds"] = [_pair(cluster, server, folder, first=n % 2 == 0) for n in range(ROUNDS)]
            found["memory_end"] = _memory(server.worker)
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    memory, ready = found["memory_end"], statistics.median(found["ready_seconds"])
    added = {p: _median(found, lambda pair, p=p: pair["with"][p] - pair["without"][p]) for p in ("p50Ms", "p99Ms")}
    asked = {p: _median(found, lambda pair, p=p: pair["with"][p]) for p in ("p50Ms", "p99Ms")}
    failed = sum(pair[which]["failed"] for pair in found["rounds"] for which in ("with", "without"))
    reached = min(pair["with"]["perSecond"] for pair in found["rounds"])
    return [
        (f"with {found['crds']} CRDs: resident, worker, PSS", f"{memory['pss_mib']} MiB", "≤ 120 MiB"),
        ("  RSS, which counts what is shared", f"{memory['rss_mib']} MiB", ""),
        ("  PSS when it was ready", f"{found['memory_ready']['pss_mib']} MiB", ""),
        ("  ready after (median of starts)", f"{ready} s", "≤ 3 s"),
        (f"a write at {found['rate']}/s, p50", f"{asked['p50Ms']:.2f} ms, {added['p50Ms']:+.2f}", ""),
        (f"a write at {found['rate']}/s, p99", f"{asked['p99Ms']:.2f} ms, {added['p99Ms']:+.2f}", "≤ 3 ms added"),
        ("  reached, failed", f"{reached:.0f}/s, {failed}", f"{found['rate']}/s, 0"),
    ]


def _median(found: dict[str, Any], of: Any) -> float:
    return statistics.median(of(pair) for pair in found["rounds"])


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(_made(folder / "cluster"))
    try:
        cluster.start()
        cluster.install((*FLUX, *ARGO_CD))
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


def _pair(cluster: Cluster, server: Running, folder: Path, *, first: bool) -> dict[str, Any]:
    """A round with the webhook and one without it, which is the ``first`` or the second."""
    found = {"without": _load(cluster, folder)} if first else {}
    with registered(cluster, server.url.partition("?")[0], server.ca):
        found["with"] = _load(cluster, folder)
    # The API server forgets a registration a moment after it is gone.
    wait_for(lambda: not _is_asked(cluster), seconds=30)
    return found if first else {**found, "without": _load(cluster, folder)}


def _is_asked(cluster: Cluster) -> bool:
    """Whether what the default rules deny is refused."""
    bare = {"name": "c", "image": "registry.example.com/app:latest", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": _NAMESPACE}}
    try:
        cluster.api(ALICE).apply({**pod, "spec": {"containers": [bare]}}, manager="bench", dry_run=True)
    except ApiError:
        return True
    return False


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
