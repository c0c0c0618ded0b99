"""The tests' cluster is a real one: versions, users, roles and controllers are what other tests rely on."""

from __future__ import annotations

import pytest
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.users import ALICE, GARBAGE_COLLECTOR, KUSTOMIZE_CONTROLLER, NOBODY, ROOT


def _config_map(namespace, name="settings", **metadata):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": {"a": "1"},
    }


def test_versions_are_the_pinned_ones(cluster: Cluster):
    """Server and kubectl report the versions that tools/ pins, as released binaries do."""
    assert cluster.api(ROOT).call("GET", "/version")["gitVersion"] == "v1.36.3"
    assert "Client Version: v1.36.3" in cluster.kubectl(ALICE, "version").stdout


def test_users_are_who_they_say(cluster: Cluster, namespace):
    """The API server knows each user by name and groups, service accounts too."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    user = cluster.api(KUSTOMIZE_CONTROLLER).call("POST", path, review)["status"]["userInfo"]
    assert user["username"] == "system:serviceaccount:flux-system:kustomize-controller"
    assert {"system:serviceaccounts", "system:serviceaccounts:flux-system"} <= set(user["groups"])


def test_roles_are_enforced(cluster: Cluster, namespace):
    """Someone without a role is refused by RBAC; people and reconcilers are not."""
    cluster.api(ALICE).create(_config_map(namespace))
    with pytest.raises(ApiError, match="Forbidden"):
        cluster.api(NOBODY).get("v1", "ConfigMap", namespace, "settings")


def test_server_side_apply_records_its_manager(cluster: Cluster, namespace):
    """An apply leaves an Apply entry in the manager's name."""
    made = cluster.api(KUSTOMIZE_CONTROLLER).apply(_config_map(namespace), manager="kustomize-controller")
    entries = [(entry["manager"], entry["operation"]) for entry in made["metadata"]["managedFields"]]
    assert entries == [("kustomize-controller", "Apply")]


def test_controllers_collect_garbage(controllers: Cluster, namespace):
    """With its owner gone an object is deleted, and namespaces end."""
    root = controllers.api(ROOT)
    owner = root.create(_config_map(namespace, "owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    root.create(_config_map(namespace, "owned", ownerReferences=[reference]))
    root.delete(owner)
    wait_for(lambda: len(root.list("v1", "ConfigMap", namespace)) == 0, seconds=20)


def test_garbage_collector_may_delete(cluster: Cluster, namespace):
    """The stand-in for a kube-system controller has the role that the API server itself made for the real one."""
    made = cluster.api(ROOT).create(_config_map(namespace))
    cluster.api(GARBAGE_COLLECTOR).delete(made)
    with pytest.raises(ApiError, match="NotFound"):
        cluster.api(ROOT).get("v1", "ConfigMap", namespace, "settings")
