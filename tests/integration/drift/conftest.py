"""A real API server that asks a real govgate, which in turn watches that API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster
from support.gateway import Gateway
from support.registration import registered
from support.users import GOVGATE, ROOT

Json = dict[str, Any]

# What the drift guard reads: its owners, their sources, what a scale request scales; and who says what must be signed.
READS = (
    ("kustomize.toolkit.fluxcd.io", ["kustomizations"], ["list", "watch"]),
    ("helm.toolkit.fluxcd.io", ["helmreleases"], ["list", "watch"]),
    ("source.toolkit.fluxcd.io", ["*"], ["list", "watch"]),
    ("argoproj.io", ["applications", "appprojects"], ["list", "watch"]),
    ("configsync.gke.io", ["rootsyncs", "reposyncs"], ["list", "watch"]),
    ("pulumi.com", ["stacks"], ["list", "watch"]),
    ("infra.contrib.fluxcd.io", ["terraforms"], ["list", "watch"]),
    ("apps", ["deployments", "statefulsets", "replicasets"], ["get"]),
    ("govgate.dev", ["trustpolicies"], ["list", "watch"]),
)


@pytest.fixture(scope="module")
def govgate(controllers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """``govgate serve`` in durable mode, registered as ``govgate webhook-config`` prints it."""
    with serving(controllers, tmp_path_factory.mktemp("govgate")) as gateway:
        yield gateway


@contextmanager
def serving(controllers: Cluster, folder: Path, **drift: Any) -> Iterator[Gateway]:
    """A gateway that guards against drift alone: some of what is made here is nothing that the rules would let through."""
    root = controllers.api(ROOT)
    for item in _role():
        root.apply(item, manager="tests")
    authority = folder / "ca.crt"
    cluster = {"connect": "kubeconfig", "kubeconfig": str(controllers.kubeconfig(GOVGATE))}
    gateway = Gateway(folder, cluster=cluster, audit={"mode": "durable"}, policy={"sources": []}, drift=drift)
    authority.write_bytes(gateway.authority.pem)
    try:
        gateway.start()
        with registered(controllers, f"https://127.0.0.1:{gateway.port}/v1/validate", authority):
            yield gateway
        gateway.stop()
    finally:
        gateway.kill()


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
