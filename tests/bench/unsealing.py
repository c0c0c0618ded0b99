"""A controller with 4,000 SealedSecrets, against a real API server: from nothing, and after it was killed.

The objects are in 20 namespaces, three values in each; two keys of 4,096 bits, of which the older one opens them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from support.api import Api, ApiError
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.tools import module_folder
from support.users import ROOT

from bench.environment import Row
from gateway_secrets.sealed.keyring import new_key, ring_of
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import Sealing, seal_secret

OBJECTS = 4_000
NAMESPACES = 20
VALUES = 3
ROUNDS = 3
LIMIT_SECONDS = 600.0
CRD = "helm/sealed-secrets/crds/bitnami.com_sealedsecrets.yaml"
SEALED = ("bitnami.com/v1alpha1", "SealedSecret")

Json = dict[str, Any]


def measure(folder: Path) -> dict[str, Any]:
    """Seconds from the start of a process until all are in sync; when they are new, and after a kill."""
    with _cluster(folder) as cluster:
        root = cluster.api(ROOT)
        _fill(cluster, root)
        connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT)), "ownNamespace": "keys"}
        sealed = {"namespaces": ["team-*"], "requestsPerSecond": 1000, "burst": 1000, "renewDays": 0}
        process = ControllerProcess(
            folder / "controller",
            cluster=connection,
            controller={"election": {"enabled": False}, "scan": {"enabled": False}, "sealed": sealed},
        )
        try:
            new = _until_synced(process)
            written = process.metric('govgate_sealed_reconciles_total{result="created"}')
            again = []
            for _ in range(ROUNDS):
                process.kill()
                again.append(_until_synced(process))
            touched = [
                process.metric(f'govgate_sealed_reconciles_total{{result="{r}"}}') for r in ("created", "updated")
            ]
        finally:
            process.kill()
        return {
            "objects": OBJECTS,
            "namespaces": NAMESPACES,
            "values_each": VALUES,
            "new_seconds": round(new, 1),
            "secrets_made": int(written),
            "after_restart_seconds": [round(one, 2) for one in sorted(again)],
            "secrets_written_after_restart": int(sum(touched)),
        }


def rows(result: dict[str, Any]) -> list[Row]:
    """For people."""
    again = result["after_restart_seconds"]
    return [
        ("4,000 SealedSecrets, all new: in sync after", f"{result['new_seconds']} s", ""),
        (
            "the same after a kill, from process start",
            f"{again[0]} to {again[-1]} s, {result['secrets_written_after_restart']} written",
            "seconds; sealed-secrets: 20 to 30 min",
        ),
    ]


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    directory = folder / "cluster"
    directory.mkdir()
    cluster = Cluster(directory)
    try:
        cluster.start()
        crd = yaml.safe_load((module_folder("kubeseal", "github.com/bitnami/sealed-secrets") / CRD).read_text())
        cluster.api(ROOT).create(crd)
        wait_for(lambda: _served(cluster.api(ROOT)), seconds=60)
        yield cluster
    finally:
        cluster.stop()


def _served(root: Api) -> bool:
    try:
        root.list(*SEALED, "default")
    except (ApiError, KeyError):
        return False
    return True


def _fill(cluster: Cluster, root: Api) -> None:
    """Namespaces, keys and objects."""
    for name in ("keys", *(f"team-{number:02}" for number in range(NAMESPACES))):
        root.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    now = datetime.now(UTC)
    keys = [root.create(new_key("keys", now - timedelta(days=days))) for days in (20, 1)]
    sealing = Sealing(ring_of(keys).ring.pairs[1].certificate, now, notes=False)

    def one(number: int) -> None:
        values = {f"key-{value}": f"value {number} {value}".encode() for value in range(VALUES)}
        secret = Secret(f"s-{number:04}", f"team-{number % NAMESPACES:02}", values)
        cluster.api(ROOT).create(seal_secret(secret, Scope.STRICT, sealing).document)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(OBJECTS)))


def _until_synced(process: ControllerProcess) -> float:
    began = time.monotonic()
    process.start()
    wait_for(lambda: process.metric('govgate_sealed_secrets{state="synced"}') == OBJECTS, seconds=LIMIT_SECONDS)
    return time.monotonic() - began
