"""What rules know of a connected cluster: Namespaces, and other objects, as they change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import Cluster
from support.gateway import Gateway, eventually
from support.users import ROOT

Json = dict[str, Any]
pytestmark = pytest.mark.native

CONSTRAINT = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: noconfig}
spec:
  crd: {spec: {names: {kind: NoConfig}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package noconfig
        violation[{"msg": msg}] {
          msg := sprintf("not in %s", [input.review.namespaceObject.metadata.labels.team])
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NoConfig
metadata: {name: not-here}
spec:
  match:
    kinds: [{apiGroups: [""], kinds: [ConfigMap]}]
    namespaceSelector: {matchLabels: {team: web}}
"""


def config_map(namespace: str, name: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def ingress(namespace: str, name: str, host: str) -> Json:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]},
    }


def refused(cluster: Cluster, item: Json) -> str:
    """Why a dry run of its creation is refused; empty if it is not."""
    api = cluster.api(ROOT)
    path = api.path(item["apiVersion"], item["kind"], item["metadata"]["namespace"])
    try:
        api.call("POST", f"{path}?dryRun=All", item)
    except ApiError as error:
        return str(error)
    return ""


def test_namespace_labels_decide_as_they_are_now(
    cluster: Cluster, namespace: str, connected: Callable[..., Gateway], tmp_path: Path
) -> None:
    """A namespaceSelector follows the label, and the rule reads the Namespace; a new Namespace is known at once."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(CONSTRAINT)
    connected(("", ["namespaces"]), sources=[str(rules)])
    root = cluster.api(ROOT)
    assert refused(cluster, config_map(namespace, "a")) == ""
    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": "web"}}}
    root.apply(labelled, manager="tests")
    eventually(lambda: "not in web" in refused(cluster, config_map(namespace, "a")))
    new = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-new", "labels": {"team": "web"}}}
    root.create(new)
    try:
        assert "not in web" in refused(cluster, config_map(f"{namespace}-new", "a"))
    finally:
        root.delete(new, missing_ok=True)


def test_other_objects_decide_as_they_are_now(
    cluster: Cluster, namespace: str, connected: Callable[..., Gateway]
) -> None:
    """A host that another namespace's Ingress has is denied, and free again when that is gone."""
    connected(("", ["namespaces"]), ("networking.k8s.io", ["ingresses"]), sources=["builtin:network"])
    root = cluster.api(ROOT)
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-other"}}
    root.create(other)
    try:
        mine = ingress(namespace, "mine", "shop.example.com")
        assert refused(cluster, mine) == ""
        taken = ingress(f"{namespace}-other", "theirs", "shop.example.com")
        root.create(taken)
        eventually(lambda: "belongs to the Ingress" in refused(cluster, mine))
        root.delete(taken)
        eventually(lambda: refused(cluster, mine) == "")
    finally:
        root.delete(other, missing_ok=True)


def test_what_may_not_be_read_is_undecided(cluster: Cluster, connected: Callable[..., Gateway], namespace: str) -> None:
    """Without the right to list Ingresses the gateway says so: not ready, and the rule is not passed over."""
    with pytest.raises(Exception, match=r"ingresses|Ingress"):
        connected(("", ["namespaces"]), sources=["builtin:network"])
