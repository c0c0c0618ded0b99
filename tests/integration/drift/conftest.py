"""A real API server that asks a real govgate, which in turn watches that API server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster, wait_for
from support.gateway import Gateway
from support.users import GOVGATE, ROOT

Json = dict[str, Any]

# What the drift guard reads, and nothing else: its owners, their sources, and what a scale request scales.
READS = (
    ("kustomize.toolkit.fluxcd.io", ["kustomizations"], ["list", "watch"]),
    ("helm.toolkit.fluxcd.io", ["helmreleases"], ["list", "watch"]),
    ("source.toolkit.fluxcd.io", ["*"], ["list", "watch"]),
    ("argoproj.io", ["applications", "appprojects"], ["list", "watch"]),
    ("apps", ["deployments", "statefulsets", "replicasets"], ["get"]),
)


@pytest.fixture(scope="package")
def govgate(controllers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """``govgate serve`` in durable mode, registered as ``govgate webhook-config`` prints it."""
    root = controllers.api(ROOT)
    for item in _role():
        root.apply(item, manager="tests")
    folder = tmp_path_factory.mktemp("govgate")
    cluster = {"connect": "kubeconfig", "kubeconfig": str(controllers.kubeconfig(GOVGATE))}
    gateway = Gateway(folder, cluster=cluster, audit={"mode": "durable"}).start()
    registration = _registration(gateway, folder)
    try:
        root.create(registration)
        _wait_in_force(controllers)
        yield gateway
    finally:
        root.delete(registration, missing_ok=True)
        gateway.stop()
        gateway.kill()


def _registration(gateway: Gateway, folder: Path) -> Json:
    authority = folder / "ca.crt"
    authority.write_bytes(gateway.authority.pem)
    command = [sys.executable, "-m", "gateway", "webhook-config", "-o", "json", "--ca-file", str(authority)]
    command += ["--url", f"https://127.0.0.1:{gateway.port}/v1/validate"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    registration: Json = json.loads(printed)
    return registration


def _wait_in_force(cluster: Cluster) -> None:
    """API servers pick up a registration within a second or so: until then nobody is stopped."""
    probe = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "in-force",
            "namespace": "default",
            "labels": {
                "kustomize.toolkit.fluxcd.io/name": "probe",
                "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
            },
        },
    }
    root = cluster.api(ROOT)

    def stopped() -> bool:
        try:
            root.create(probe)
        except Exception as error:  # noqa: BLE001 - an ApiError of the denial, told by its text
            return "validate.govgate.dev" in str(error)
        root.call("DELETE", "/api/v1/namespaces/default/configmaps/in-force")
        return False

    wait_for(stopped, seconds=20)


def _role() -> list[Json]:
    api_group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in READS]
    return [
        {
            "apiVersion": f"{api_group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "govgate"},
            "rules": rules,
        },
        {
            "apiVersion": f"{api_group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "govgate"},
            "roleRef": {"apiGroup": api_group, "kind": "ClusterRole", "name": "govgate"},
            "subjects": [{"kind": "ServiceAccount", "name": "govgate", "namespace": "govgate-system"}],
        },
    ]
