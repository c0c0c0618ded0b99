"""A controller that scans the tests' cluster, and the types that it writes reports in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.api import Api, ApiError
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.crds import Crd
from support.users import GOVGATE, ROOT

Settings = dict[str, Any] | None


def manifest(crd: Crd) -> dict[str, Any]:
    """As support.crds has it, but for objects without a spec."""
    item = crd.manifest()
    for version in item["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version["subresources"] = {}
    return item


@pytest.fixture
def root(cluster: Cluster) -> Api:
    return cluster.api(ROOT)


@pytest.fixture
def reports(cluster: Cluster, root: Api) -> Iterator[Callable[[tuple[Crd, ...]], None]]:
    """Have the cluster serve a form of reports; afterwards it does not any more."""
    installed: list[Crd] = []

    def install(crds: tuple[Crd, ...]) -> None:
        for crd in crds:
            root.create(manifest(crd))
            installed.append(crd)
            wait_for(lambda crd=crd: served(cluster, crd))

    yield install
    for crd in installed:
        root.delete(crd.manifest())
    for crd in installed:
        wait_for(lambda crd=crd: not served(cluster, crd), seconds=30)


def served(cluster: Cluster, crd: Crd) -> bool:
    try:
        cluster.api(ROOT).list(f"{crd.group}/{crd.versions[0]}", crd.kind)
    except (ApiError, KeyError):
        return False
    return True


@pytest.fixture
def controller(
    cluster: Cluster, root: Api, namespace: str, tmp_path: Path
) -> Iterator[Callable[..., ControllerProcess]]:
    """Start a controller that scans every second, with a Lease in the test's namespace, and the rights that docs/scan.md
    lists.
    """
    with ExitStack() as ends:
        for item in _documented_role():
            root.apply(item, manager="tests")
            ends.callback(root.delete, item, missing_ok=True)

        def start(
            name: str = "controller", *, scan: Settings = None, election: Settings = None, **policy: Any
        ) -> ControllerProcess:
            process = ControllerProcess(
                tmp_path / name,
                cluster={
                    "connect": "kubeconfig",
                    "kubeconfig": str(cluster.kubeconfig(GOVGATE)),
                    "ownNamespace": namespace,
                },
                policy=policy,
                server={"reloadSeconds": 0.1},
                controller={
                    "election": {"leaseSeconds": 2, "renewSeconds": 1.5, "retrySeconds": 0.2, **(election or {})},
                    "scan": {"intervalSeconds": 1.0, "requestsPerSecond": 500.0, "burst": 500, **(scan or {})},
                },
            )
            ends.callback(process.kill)
            process.start()
            return process

        yield start


def _documented_role() -> list[dict[str, Any]]:
    """What docs/scan.md says the controller needs, for rules about ConfigMaps."""
    rules = []
    section = (Path(__file__).parents[3] / "docs" / "scan.md").read_text().partition("## What it needs")[2]
    for row in re.findall(r"^\| (.*) \| (.*) \| (.*) \| .* \|$", section.partition("\n## ")[0], re.MULTILINE):
        groups, resources, verbs = (re.findall(r"`([^`]+)`", cell) for cell in row)
        if verbs:
            named = [name for name in resources if name != "cluster.ownNamespace"] or ["configmaps"]
            rules.append({"apiGroups": groups or [""], "resources": named, "verbs": verbs})
    assert len(rules) == 7
    name, group = "govgate-controller", "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "govgate", "namespace": "govgate-system"}],
        },
    ]
