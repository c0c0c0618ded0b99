"""A gateway that watches the cluster which asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster
from support.gateway import Gateway
from support.registration import registered
from support.users import GOVGATE, ROOT

Json = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"
_ROLE = "govgate-policies"


@pytest.fixture
def connected(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start ``govgate serve`` with a connection to the cluster, may it read ``reads``, and register it.

    ``reads`` are pairs of an API group and resources. The drift guard is off: what it reads is another test's concern.
    """
    root = cluster.api(ROOT)
    with ExitStack() as ends:

        def start(*reads: tuple[str, list[str]], **policy: Any) -> Gateway:
            for item in _role(reads):
                root.apply(item, manager="tests")
                ends.callback(root.delete, item, missing_ok=True)
            drift = {name: {"mode": "disabled"} for name in ("fluxKustomization", "fluxHelmRelease", "argoCD")}
            gateway = Gateway(
                tmp_path / "gateway",
                cluster={"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(GOVGATE))},
                audit={"mode": "durable"},
                drift=drift,
                policy=policy,
            )
            authority = tmp_path / "ca.crt"
            authority.write_bytes(gateway.authority.pem)
            ends.callback(gateway.kill)
            gateway.start()
            ends.callback(gateway.stop)
            ends.enter_context(registered(cluster, f"https://127.0.0.1:{gateway.port}/v1/validate", authority))
            return gateway

        (tmp_path / "gateway").mkdir()
        yield start


def _role(reads: tuple[tuple[str, list[str]], ...]) -> list[Json]:
    verbs = ["get", "list", "watch", "create"]
    reads = (*reads, ("govgate.dev", ["trustpolicies"]))
    rules = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources in reads]
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": _ROLE}, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": _ROLE},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": "govgate", "namespace": "govgate-system"}],
        },
    ]
