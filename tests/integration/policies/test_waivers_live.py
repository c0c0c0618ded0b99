"""PolicyWaivers in a cluster: asked for by one, approved by another, and then in force; nothing else is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import Api, ApiError
from support.cluster import Cluster
from support.gateway import Gateway, eventually
from support.users import ALICE, BOB, NOBODY, ROOT

from policies.waivers import read_waiver, spec_digest

Json = dict[str, Any]
pytestmark = pytest.mark.native

CRDS = Path(__file__).parents[3] / "charts" / "govgate" / "files" / "crds"
READS = (("", ["namespaces"]), ("govgate.dev", ["*"]), ("authorization.k8s.io", ["*"]))


@pytest.fixture
def root(cluster: Cluster) -> Iterator[Api]:
    """The API as root, with the CRDs as the chart has them."""
    api = cluster.api(ROOT)
    for file in sorted(CRDS.glob("*polic*.yaml")):
        api.apply(yaml.safe_load(file.read_text()), manager="tests")
    eventually(lambda: len(api.call("GET", "/apis/govgate.dev/v1alpha1")["resources"]) >= 4)
    yield api
    for item in (role("all"), binding("all", NOBODY.name)):
        api.delete(item, missing_ok=True)


def role(name: str, *verbs: str) -> Json:
    rules = [{"apiGroups": ["govgate.dev"], "resources": ["*"], "verbs": list(verbs)}]
    kind = "ClusterRole"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"tests-{name}"},
        "rules": rules,
    }


def binding(name: str, user: str) -> Json:
    api_group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api_group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"tests-{name}"},
        "roleRef": {"apiGroup": api_group, "kind": "ClusterRole", "name": f"tests-{name}"},
        "subjects": [{"kind": "User", "name": user, "apiGroup": api_group}],
    }


def waiver(namespace: str, user: str, *, seconds: float = 3600, **spec: Any) -> Json:
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    stated = {
        "rules": ["pod-security/host-namespaces"],
        "match": {"kinds": ["Pod"], "names": ["agent-*"]},
        "reason": "the agent reads the node's processes",
        "ticket": "OPS-1",
        "requestedBy": user,
        "expires": expires,
    }
    metadata = {"name": "agent", "namespace": namespace}
    return {"apiVersion": "govgate.dev/v1alpha1", "kind": "PolicyWaiver", "metadata": metadata, "spec": stated | spec}


def approve(api: Api, item: Json, approver: str) -> None:
    found = api.get(item["apiVersion"], item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
    digest = spec_digest(read_waiver(found, source="test").spec)
    api.patch(item, {"status": {"approval": {"approver": approver, "specDigest": digest}}}, subresource="status")


def pod(namespace: str, name: str) -> Json:
    spec = {"hostPID": True, "containers": [{"name": "c", "image": "registry.example.com/agent:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def refused(api: Api, item: Json) -> str:
    path = api.path(item["apiVersion"], item["kind"], item["metadata"]["namespace"])
    try:
        api.call("POST", f"{path}?dryRun=All", item)
    except ApiError as error:
        return str(error)
    return ""


def test_a_waiver_from_request_to_expiry(
    cluster: Cluster, root: Api, namespace: str, connected: Callable[..., Gateway]
) -> None:
    """Nobody waives alone; what is approved holds for what it names, and no longer than until it is changed."""
    gateway = connected(*READS, sources=["builtin:pod-security-baseline"])
    alice, bob = cluster.api(ALICE), cluster.api(BOB)
    agent = pod(namespace, "agent-1")
    assert "host" in refused(root, agent)
    item = waiver(namespace, ALICE.name)

    with pytest.raises(ApiError, match="whoever writes asks"):
        alice.create(waiver(namespace, BOB.name))
    with pytest.raises(ApiError, match="365 days"):
        alice.create(waiver(namespace, ALICE.name, seconds=366 * 86_400))
    alice.create(item)
    with pytest.raises(ApiError, match="other than who asked"):
        approve(alice, item, ALICE.name)
    with pytest.raises(ApiError, match="another one's name"):
        approve(alice, item, BOB.name)
    assert "host" in refused(root, agent)

    approve(bob, item, BOB.name)
    eventually(lambda: refused(root, agent) == "")
    assert any(f"accepted by policywaiver/{namespace}/agent" in text for text in root.warnings)
    assert "host" in refused(root, pod(namespace, "other"))
    exceptions = [
        finding["exception"]
        for record in gateway.records()
        for finding in record["findings"]
        if record["request"]["name"] == "agent-1"
    ]
    assert exceptions[-1] == f"policywaiver/{namespace}/agent"

    alice.patch(item, {"spec": {"reason": "another one"}})
    eventually(lambda: "host" in refused(root, agent))


def test_a_waiver_ends_by_itself(
    cluster: Cluster, root: Api, namespace: str, connected: Callable[..., Gateway]
) -> None:
    """When its time is over nobody has to do anything."""
    connected(*READS, sources=["builtin:pod-security-baseline"])
    agent = pod(namespace, "agent-1")

    def was_in_force(seconds: float) -> bool:
        """Whether the machine is fast enough to see it in force for so long."""
        item = waiver(namespace, ALICE.name, seconds=seconds)
        ends = datetime.fromisoformat(item["spec"]["expires"])
        with contextlib.suppress(ApiError):  # too late
            cluster.api(ALICE).create(item)
            approve(cluster.api(BOB), item, BOB.name)
            eventually(lambda: refused(root, agent) == "" or datetime.now(UTC) >= ends, seconds=2 * seconds + 20)
        if datetime.now(UTC) < ends:
            return True
        root.delete(item, missing_ok=True)
        return False

    assert any(was_in_force(seconds) for seconds in (4, 20, 60))
    eventually(lambda: "host" in refused(root, agent), seconds=90)


def test_asking_is_a_right_of_its_own(
    cluster: Cluster, root: Api, namespace: str, connected: Callable[..., Gateway]
) -> None:
    """Who may create the object may not yet ask for a waiver."""
    connected(*READS, sources=["builtin:pod-security-baseline"])
    root.apply(role("all", "create", "get", "patch"), manager="tests")
    root.apply(binding("all", NOBODY.name), manager="tests")
    nobody = cluster.api(NOBODY)
    with pytest.raises(ApiError, match="verb request"):
        nobody.create(waiver(namespace, NOBODY.name))
    root.apply(role("all", "create", "get", "patch", "request"), manager="tests")
    nobody.create(waiver(namespace, NOBODY.name))
    item = waiver(namespace, NOBODY.name)
    root.delete(item)


def test_the_crds_refuse_what_is_no_waiver(root: Api, namespace: str) -> None:
    """Without the gateway too: a part that is missing, or a rule as wide as everything."""
    for change in ({"rules": ["*"]}, {"expires": None}, {"reason": ""}, {"match": {"kinds": ["Pod"]}}):
        with pytest.raises(ApiError, match="Invalid"):
            root.create(waiver(namespace, ROOT.name, **change))
    document = json.loads(json.dumps(waiver(namespace, ROOT.name)))
    document |= {"kind": "ClusterPolicyWaiver", "metadata": {"name": "agent"}}
    made = root.create(document)
    root.delete(made)
