"""Gatekeeper beside govgate: the same templates, constraints and Pods, one after the other on the same core.

Gatekeeper runs as its own program against a bare API server, with Rego alone (no policies in CEL), as its webhook.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
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
from bench.beside import Subject, compare, compared, made, write_bodies
from bench.environment import Row
from bench.server import OTHER_CORE


def measure(folder: Path) -> dict[str, Any]:
    """Both servers under the same load; see :func:`bench.beside.compare`."""
    rules = folder / "rules.yaml"
    documents, constraints = templates.documents()
    rules.write_text("\n---\n".join(json.dumps(one) for one in (*documents, *constraints)))
    return {"templates": templates.COUNT, **compare(folder, "gatekeeper", _gatekeeper(folder), [str(rules)])}


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    return compared(found, "gatekeeper", times=10, latency=0.1)


@contextmanager
def _gatekeeper(folder: Path) -> Iterator[Subject]:
    cluster = Cluster(made(folder / "cluster"))
    authority = Authority("gatekeeper benchmark")
    certs = made(folder / "certs")
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
        denied = write_bodies(folder / "probe.jsonl", allowed=False)
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
