"""The printed registration on a real API server: it compiles, keeps away what it should, and lets through what matters."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.gateway import Gateway
from support.users import ALICE, DEPLOYMENT_CONTROLLER, ENDPOINT_SLICE_CONTROLLER, ROOT

TOTAL = "govgate_admission_duration_seconds_count"


def item(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


@pytest.fixture
def registered(cluster: Cluster, gateway) -> Iterator[Gateway]:
    """A server that the cluster's API server asks, and nobody else's requests."""
    server: Gateway = gateway().start()
    authority = server.folder / "ca.crt"
    authority.write_bytes(server.authority.pem)
    url = f"https://127.0.0.1:{server.port}/v1/validate"
    command = [
        sys.executable,
        "-m",
        "gateway",
        "webhook-config",
        "--url",
        url,
        "--ca-file",
        str(authority),
        "-o",
        "json",
    ]
    document = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    root = cluster.api(ROOT)
    root.create(document)
    try:
        wait_for(lambda: _is_asked(cluster, server), seconds=15)
        yield server
    finally:
        root.delete(document)


def _is_asked(cluster: Cluster, server: Gateway) -> bool:
    cluster.api(ALICE).apply(item("v1", "ConfigMap", "probe", "default", data={}), manager="tests")
    return server.metric(TOTAL) > 0


def test_what_is_asked(cluster: Cluster, namespace: str, registered: Gateway) -> None:
    """Changes of objects and of scale, dry runs and deletions reach the server, once each."""
    alice = cluster.api(ALICE)
    config = item("v1", "ConfigMap", "c", namespace, data={"a": "b"})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployment = item("apps/v1", "Deployment", "d", namespace, spec=spec)
    alice.create(config)
    alice.apply({**config, "data": {"a": "c"}}, manager="m", dry_run=True)
    alice.patch(config, {"data": {"a": "d"}})
    alice.delete(config)
    alice.create(deployment)
    with contextlib.suppress(ApiError):  # without a cluster connection the guard cannot look up what is scaled
        alice.scale(deployment, 2)
    asked = [
        (r["operation"], r["resource"], r["subresource"], r["dryRun"])
        for r in requests(registered)
        if r["namespace"] == namespace and r["actor"]["username"] == ALICE.name
    ]
    assert asked == [
        ("CREATE", "configmaps", "", False),
        ("UPDATE", "configmaps", "", True),
        ("UPDATE", "configmaps", "", False),
        ("DELETE", "configmaps", "", False),
        ("CREATE", "deployments", "", False),
        ("UPDATE", "deployments", "scale", False),
    ]


def requests(server: Gateway) -> list[dict[str, Any]]:
    """What the server was asked, as its audit log has it; a controller manager may be about as well."""
    time.sleep(0.3)
    command = [sys.executable, "-m", "gateway", "audit", "export", "--state-dir", str(server.folder / "state")]
    output = subprocess.run([*command, "--format", "jsonl"], capture_output=True, check=True, timeout=30).stdout
    records = [json.loads(line) for line in output.splitlines()]
    envelopes = [record.get("record", record) for record in records]
    return [envelope["request"] for envelope in envelopes if envelope["type"] == "decision"]


def test_what_is_kept_away(cluster: Cluster, namespace: str, registered: Gateway) -> None:
    """Leases, events, nodes, access reviews, and what Kubernetes' own parts need to start, never reach the server."""
    root, alice = cluster.api(ROOT), cluster.api(ALICE)
    pod_spec = {"containers": [{"name": "c", "image": "i"}]}
    about = {"kind": "Pod", "namespace": namespace, "name": "p"}
    review = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    own = item("v1", "Namespace", "govgate-system")
    root.apply(own, manager="tests")
    pod = item("v1", "Pod", f"cni-{namespace}", "kube-system", spec=pod_spec)
    slices = {"addressType": "IPv4", "endpoints": []}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subjects = [{"apiGroup": role["apiGroup"], "kind": "User", "name": DEPLOYMENT_CONTROLLER.name}]
    binding = item(
        "rbac.authorization.k8s.io/v1", "RoleBinding", "pods", "kube-system", roleRef=role, subjects=subjects
    )
    root.create(binding)
    alice.create(item("coordination.k8s.io/v1", "Lease", "l", namespace, spec={}))
    alice.create(item("v1", "Event", "e", namespace, involvedObject=about, message="m", reason="r"))
    root.create(item("v1", "Node", f"node-{namespace}"))
    alice.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": review})
    cluster.api(ENDPOINT_SLICE_CONTROLLER).create(
        item("discovery.k8s.io/v1", "EndpointSlice", "s", namespace, **slices)
    )
    cluster.api(DEPLOYMENT_CONTROLLER).create(pod)
    alice.create(item("v1", "ConfigMap", f"c-{namespace}", "govgate-system"))
    alice.create(item("discovery.k8s.io/v1", "EndpointSlice", "by-hand", namespace, **slices))
    asked = [(r["resource"], r["name"]) for r in requests(registered)]
    assert [name for name in asked if namespace in name[1] or name[1] in ("l", "e", "s", "by-hand")] == [
        ("endpointslices", "by-hand")
    ]
    root.delete(binding)
