"""The registration that govgate prints, judged by a real API server: what it sends, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from recordings import objects
from recordings.recorder import listening
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.crds import AGENTS, DRIVEN, Crd
from support.registration import registered
from support.users import (
    ALICE,
    CILIUM,
    DEPLOYMENT_CONTROLLER,
    ENDPOINT_SLICE_CONTROLLER,
    KUBE_OVN,
    ROOT,
    TENANT,
    User,
)

from gateway.config.model import Config
from gateway.server.registration import Target, registration


@pytest.fixture
def recorder(cluster: Cluster, tmp_path):
    with listening(tmp_path) as (recorder, url, ca_file), registered(cluster, url, ca_file):
        recorder.clear()
        yield recorder


def _asked(recorder, namespace):
    """Operation, resource and subresource of what was asked, without what goes on in other tests' namespaces."""
    requests = [review["request"] for review in recorder.reviews()]
    own = [request for request in requests if request.get("namespace", "") in {namespace, "kube-system", ""}]
    return [(r["operation"], "/".join(filter(None, (r["resource"]["resource"], r.get("subResource"))))) for r in own]


def test_what_changes_an_object_is_sent(cluster: Cluster, namespace, recorder):
    """Creations, changes and deletions are sent, by /scale and as ephemeral containers too, and dry runs."""
    api = cluster.api(ALICE)
    made = api.create(objects.deployment(namespace))
    pod = api.create(objects.pod(namespace))
    api.apply(objects.deployment(namespace, image="2"), manager="alice", dry_run=True)
    api.scale(made, 2)
    debugger = {"name": "debugger", "image": "busybox:1.37"}
    patch = {"spec": {"ephemeralContainers": [debugger]}}
    api.patch(pod, patch, subresource="ephemeralcontainers")
    api.delete_collection("apps/v1", "Deployment", namespace)
    assert _asked(recorder, namespace) == [
        ("CREATE", "deployments"),
        ("CREATE", "pods"),
        ("UPDATE", "deployments"),
        ("UPDATE", "deployments/scale"),
        ("UPDATE", "pods/ephemeralcontainers"),
        ("DELETE", "deployments"),
    ]


def test_another_version_of_the_api_is_sent_too(cluster: Cluster, namespace, recorder):
    """Whoever uses another served version of an API does not get around the gateway."""
    item = objects.autoscaler(namespace)
    older = {**item, "apiVersion": "autoscaling/v1", "spec": {k: v for k, v in item["spec"].items() if k != "metrics"}}
    cluster.api(ALICE).create(older)
    assert _asked(recorder, namespace) == [("CREATE", "horizontalpodautoscalers")]


def test_what_only_reports_is_not_sent(cluster: Cluster, namespace, recorder):
    """Leases, Events, nodes, tokens, access reviews, status, and the endpoints of kube-system's controllers are not."""
    root = cluster.api(ROOT)
    service = cluster.api(ALICE).create(objects.service(namespace))
    made = cluster.api(ALICE).create(objects.deployment(namespace))
    metadata = {"name": "x", "namespace": namespace}
    root.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    recorder.clear()
    root.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}})
    involved = {"kind": "Deployment", "namespace": namespace, "name": "api"}
    root.create({"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved})
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{namespace}"}}
    root.delete(root.create(node))
    root.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/x/token", _token_request())
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {}}
    review["spec"] = {"nonResourceAttributes": {"path": "/", "verb": "get"}}
    root.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    made["status"] = {"observedGeneration": 1}
    cluster.api(DEPLOYMENT_CONTROLLER).replace(made, subresource="status")
    cluster.api(ENDPOINT_SLICE_CONTROLLER).create(objects.endpoint_slice(service, "api-1"))
    assert _asked(recorder, namespace) == []


def test_a_person_may_not_hide_behind_what_is_not_sent(cluster: Cluster, namespace, recorder):
    """EndpointSlices are left out for kube-system's controllers only; Pods of kube-system for its own accounts only."""
    service = cluster.api(ALICE).create(objects.service(namespace))
    recorder.clear()
    cluster.api(ALICE).create(objects.endpoint_slice(service, "api-1"))
    cluster.api(ALICE).delete(cluster.api(ALICE).create(objects.pod("kube-system", f"pod-{namespace}")))
    # The API server asks more than once about the deletion of one Pod.
    assert set(_asked(recorder, namespace)) == {("CREATE", "endpointslices"), ("CREATE", "pods"), ("DELETE", "pods")}


def _refusal(cluster: Cluster, item: dict, by: User = ROOT) -> str:
    """What the API server says to a creation; empty where it takes it."""
    try:
        cluster.api(by).create(item)
    except ApiError as error:
        return error.message
    return ""


@contextmanager
def _down(cluster: Cluster, namespace: str, **options: tuple[str, ...]) -> Iterator[None]:
    """While the context lasts the API server asks, with failurePolicy Fail, a govgate that is down."""
    target = Target(url="https://127.0.0.1:1/v1/validate")
    made = cluster.api(ROOT).create(registration(Config(), target, name=f"down-{namespace}", **options))
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-", "namespace": namespace}}
    try:
        wait_for(lambda: "failed calling webhook" in _refusal(cluster, probe), seconds=60)
        yield
    finally:
        cluster.api(ROOT).delete(made)


def _custom(crd: Crd, namespace: str) -> dict:
    place = {"namespace": namespace} if crd.scope == "Namespaced" else {}
    metadata = {"name": f"a-{namespace}", **place}
    return {"apiVersion": f"{crd.group}/{crd.versions[0]}", "kind": crd.kind, "metadata": metadata, "spec": {}}


def test_pods_get_addresses_and_identities_while_govgate_is_down(cluster: Cluster, namespace):
    """What nodes' agents write for new Pods is let through; policies and pools of the same groups are not."""
    cluster.install(AGENTS)
    with _down(cluster, namespace):
        refused = {crd.plural for crd in AGENTS if _refusal(cluster, _custom(crd, namespace))}
        kept = cluster.api(ROOT).patch(_custom(AGENTS[0], namespace), {"spec": {"seen": True}})
        cluster.api(ROOT).delete(kept)
    assert refused == {"ciliumnetworkpolicies", "ippools"}


def test_what_git_may_declare_is_let_through_for_the_driver_alone(cluster: Cluster, namespace):
    """A reserved address, a node's pool: the driver's accounts write them while nobody answers, wherever it is installed.

    A person does not, nor an administrator, nor another driver's account, nor another account of the same namespace.
    """
    cluster.install(DRIVEN)
    node, address = (_custom(crd, namespace) for crd in DRIVEN)
    with _down(cluster, namespace):
        asked = [(by, item) for by in (ROOT, ALICE, TENANT) for item in (node, address)]
        for by, item in [*asked, (KUBE_OVN, node)]:
            assert "failed calling webhook" in _refusal(cluster, item, by), (by.name, item["kind"])
        for by, item in ((CILIUM, node), (KUBE_OVN, address)):
            assert _refusal(cluster, item, by) == ""
            cluster.api(by).delete(cluster.api(by).patch(item, {"spec": {"seen": True}}))


def test_groups_can_be_left_out_besides(cluster: Cluster, namespace):
    """Those of a driver that govgate does not know; others of that name's ending are not."""
    mine, other = (Crd(group, "Address", "addresses", ("v1",), "Cluster") for group in _GROUPS)
    cluster.install((mine, other))
    with _down(cluster, namespace, excluded_groups=(mine.group,)):
        assert _refusal(cluster, _custom(mine, namespace)) == ""
        assert "failed calling webhook" in _refusal(cluster, _custom(other, namespace))


_GROUPS = ("ipam.example.com", "more.ipam.example.com")


def _token_request():
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["tests"]}}
