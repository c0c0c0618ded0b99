"""Real gateways that watch the cluster which asks one of them, with the CRD and the rights that the chart gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import ApiError
from support.charts import CRDS
from support.cluster import Cluster, wait_for
from support.gateway import Gateway
from support.registration import registered
from support.users import GOVGATE, ROOT

Json = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"
_NAME = "govgate-break-glass"
RULES = (
    (["kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"], ["*"], ["list", "watch"]),
    (["argoproj.io"], ["*"], ["list", "watch"]),
    (["apps"], ["deployments"], ["get"]),
    (["govgate.dev"], ["trustpolicies", "breakglasses"], ["get", "list", "watch"]),
    (["govgate.dev"], ["policywaivers", "clusterpolicywaivers"], ["get", "list", "watch"]),
    ([""], ["namespaces"], ["get", "list", "watch"]),
    (["govgate.dev"], ["breakglasses/status"], ["patch"]),
    ([""], ["events"], ["create"]),
    (["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
)
NOTES = {
    "apiGroups": [""],
    "resources": ["configmaps"],
    "resourceNames": ["govgate-break-glass"],
    "verbs": ["get", "patch", "create"],
}
OWN = "govgate-system"


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Iterator[Json]:
    """The connection of a gateway that has the chart's rights, to a cluster that knows grants."""
    root = cluster.api(ROOT)
    root.apply(yaml.safe_load((CRDS / "breakglasses.yaml").read_text()), manager="tests")
    wait_for(lambda: _served(cluster), seconds=60)
    for item in (*_role(), *_notes()):
        root.apply(item, manager="tests")
    yield {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(GOVGATE))}
    for grant in root.list("govgate.dev/v1alpha1", "BreakGlass"):
        root.delete({"apiVersion": "govgate.dev/v1alpha1", "kind": "BreakGlass", **grant}, missing_ok=True)


@pytest.fixture(scope="module")
def gateways(cluster: Cluster, prepared: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    """Two of them; the first is registered."""
    started: list[Gateway] = []
    try:
        for _ in range(2):
            folder = tmp_path_factory.mktemp("govgate")
            gateway = Gateway(
                folder,
                cluster=prepared,
                audit={"mode": "durable"},
                policy={"sources": []},
                breakGlass={"emergencyGroups": ["developers"]},
            )
            started.append(gateway)
            gateway.start()
        with registered(cluster, f"https://127.0.0.1:{started[0].port}/v1/validate", _authority(started[0])):
            yield started
    finally:
        for gateway in started:
            gateway.kill()


def _authority(gateway: Gateway) -> Path:
    file = gateway.folder / "ca.crt"
    file.write_bytes(gateway.authority.pem)
    return file


def _served(cluster: Cluster) -> bool:
    """A group is announced before its versions, those before their resources, and these before they can be read (429)."""
    try:
        resources = cluster.api(ROOT).call("GET", "/apis/govgate.dev/v1alpha1")["resources"]
        cluster.api(ROOT).call("GET", "/apis/govgate.dev/v1alpha1/breakglasses")
    except ApiError:
        return False
    return any(one["name"] == "breakglasses/status" for one in resources)


def _notes() -> list[Json]:
    """Govgate's own namespace, and the right to keep notes there."""
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": {"name": _NAME, "namespace": OWN}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN}},
        {**role, "rules": [NOTES]},
        {
            **role,
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": _NAME},
            "subjects": [{"kind": "ServiceAccount", "name": "govgate", "namespace": OWN}],
        },
    ]


def _role() -> list[Json]:
    rules = [{"apiGroups": groups, "resources": resources, "verbs": verbs} for groups, resources, verbs in RULES]
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": _NAME}, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": _NAME},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _NAME},
            "subjects": [{"kind": "ServiceAccount", "name": "govgate", "namespace": "govgate-system"}],
        },
    ]
