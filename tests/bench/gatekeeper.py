"""Gatekeeper beside govgate: the same templates, constraints and Pods, one after the other on the same core.

Gatekeeper runs as its own program against a bare API server, with Rego alone (no policies in CEL), as its webhook.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import yaml
from support.api import Api, ApiError
from support.cluster import Cluster, wait_for
from support.pki import Authority
from support.processes import Server, free_port
from support.tools import module_folder, tool
from support.users import ROOT

from bench import templates
from bench.server import OTHER_CORE, WORKER_CORE, started

REVIEWS = 20
SECONDS = 10
CONNECTIONS = 8
_CRDS = ("config", "constraint", "expansion", "provider", "syncset", "connection", "mutat", "assign", "modify")


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
        return round(sum(process.memory_info().rss for process in self._processes) / 2**20, 1)

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


def measure(folder: Path) -> dict[str, Any]:
    """Both servers with Pods that are allowed and Pods that are denied; then both at half of what the slower reached."""
    bodies = {name: _bodies(folder / f"{name}.jsonl", allowed=name == "allowed") for name in ("allowed", "denied")}
    found: dict[str, Any] = {"templates": templates.COUNT, "pod_bytes": _size(), "connections": CONNECTIONS}
    with _gatekeeper(folder) as subject:
        found["gatekeeper"] = _loaded(subject, bodies)
        rate = found["gatekeeper"]["allowed"]["perSecond"] / 2
        found["equal_load"] = {"perSecond": rate, "gatekeeper": subject.load(bodies["allowed"], rate=rate)}
    with _govgate(folder) as subject:
        found["govgate"] = _loaded(subject, bodies)
        found["equal_load"]["govgate"] = subject.load(bodies["allowed"], rate=rate)
    for name in bodies:
        one, other = (found[who][name] for who in ("govgate", "gatekeeper"))
        if (one["denied"] > 0, one["allowed"] > 0) != (other["denied"] > 0, other["allowed"] > 0):
            raise RuntimeError(f"the verdicts differ: {name}: {one}, {other}")
    return found


def _loaded(subject: Subject, bodies: dict[str, Path]) -> dict[str, Any]:
    for file in bodies.values():
        subject.load(file, seconds=2)
    return {name: subject.load(file) for name, file in bodies.items()}


def _bodies(file: Path, *, allowed: bool) -> Path:
    lines = (json.dumps(templates.review(number, allowed=allowed)) for number in range(REVIEWS))
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def _size() -> int:
    return len(json.dumps(templates.pod(1), separators=(",", ":")))


@contextmanager
def _govgate(folder: Path) -> Iterator[Subject]:
    rules = folder / "rules.yaml"
    documents, constraints = templates.documents()
    rules.write_text("\n---\n".join(json.dumps(one) for one in (*documents, *constraints)))
    (folder / "govgate").mkdir()
    with started(folder / "govgate", {"policy": {"sources": [str(rules)]}}) as server:
        root = psutil.Process(server.worker.ppid())
        yield Subject(server.url, server.ca, [root, *root.children(recursive=True)])


@contextmanager
def _gatekeeper(folder: Path) -> Iterator[Subject]:
    cluster = Cluster(_made(folder / "cluster"))
    authority = Authority("gatekeeper benchmark")
    certs = _made(folder / "certs")
    authority.issue_to(certs, "tls")
    (certs / "ca.crt").write_bytes(authority.pem)
    port, health, metrics = free_port(), free_port(), free_port()
    manager = Server(
        "gatekeeper", _command(certs, port, health, metrics), folder / "gatekeeper.log", _environment(cluster)
    )
    try:
        cluster.start()
        root = cluster.api(ROOT)
        _prepare(root)
        manager.start()
        manager.wait_until(lambda: _ready(health), seconds=120)
        _install(root)
        manager.wait_until(lambda: _ready(health), seconds=60)
        subject = Subject(
            f"https://127.0.0.1:{port}/v1/admit?timeout=10s", certs / "ca.crt", [psutil.Process(manager.pid)]
        )
        for process in (cluster.apiserver, cluster.etcd):
            psutil.Process(process.pid).cpu_affinity([OTHER_CORE])
        denied = _bodies(folder / "probe.jsonl", allowed=False)
        wait_for(lambda: subject.load(denied, requests=20)["denied"] == 20)
        time.sleep(5)  # constraints are added one by one: let the last one be in force
        yield subject
    finally:
        manager.kill()
        cluster.stop()


def _command(certs: Path, port: int, health: int, metrics: int) -> list[str]:
    return [
        tool("gatekeeper"), "--debug-use-fake-pod", "--disable-cert-rotation", f"--cert-dir={certs}",
        "--host=127.0.0.1", f"--port={port}", f"--health-addr=127.0.0.1:{health}", f"--prometheus-port={metrics}",
        "--operation=webhook", "--operation=status", "--operation=generate", "--enable-k8s-native-validation=false",
        "--default-create-vap-for-templates=false", "--default-create-vap-binding-for-constraints=false",
        "--log-level=WARNING",
    ]  # fmt: skip


def _environment(cluster: Cluster) -> dict[str, str]:
    return {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig(ROOT)),
        "POD_NAMESPACE": "gatekeeper-system",
        "POD_NAME": "bench",
    }


def _prepare(root: Api) -> None:
    """Gatekeeper's own CRDs, from the module that its program is built from, and its namespace."""
    crds = module_folder("gatekeeper", "github.com/open-policy-agent/gatekeeper/v3") / "charts" / "gatekeeper" / "crds"
    for file in sorted(crds.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document:
                root.apply(document, manager="bench")
    for name in ("gatekeeper-system", "shop"):
        root.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="bench")


def _install(root: Api) -> None:
    documents, constraints = templates.documents()
    for document in documents:
        root.apply(document, manager="bench")
    for constraint in constraints:
        wait_for(lambda one=constraint: _applied(root, one), seconds=60)


def _applied(root: Api, constraint: dict[str, Any]) -> bool:
    try:
        root.apply(constraint, manager="bench")
    except (ApiError, KeyError):
        return False  # its CRD is made from the template by then
    return True


def _ready(health: int) -> bool:
    with urlopen(f"http://127.0.0.1:{health}/readyz", timeout=5) as response:
        return bool(response.status == 200)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
