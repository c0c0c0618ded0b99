"""What rules know of a connected cluster: Namespaces, and other objects, as they change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import Cluster
from support.gateway import Gateway, eventually
from support.users import GOVGATE, ROOT

from gateway.config.model import Cluster as Connection
from gateway.kube import connect
from webhooks.inventory import Inventory

Json = dict[str, Any]
WAIVERS = ("govgate.dev", ["*"])
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
    connected(WAIVERS, ("", ["namespaces"]), sources=[str(rules)])
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
    connected(WAIVERS, ("", ["namespaces"]), ("networking.k8s.io", ["ingresses"]), sources=["builtin:network"])
    root = cluster.api(ROOT)
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-other"}}
    root.create(other)
    try:
        host = f"{namespace}.example.com"  # nobody else's
        mine = ingress(namespace, "mine", host)
        assert refused(cluster, mine) == ""
        taken = ingress(f"{namespace}-other", "theirs", host)
        root.create(taken)
        eventually(lambda: "belongs to the Ingress" in refused(cluster, mine))
        root.delete(taken)
        eventually(lambda: refused(cluster, mine) == "")
    finally:
        root.delete(other, missing_ok=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - caches are polled by their readers
            await asyncio.sleep(0.05)


async def test_what_may_not_be_read_is_not_known(cluster: Cluster) -> None:
    """A type that RBAC keeps from us is named, with the reason; one that the cluster does not have has no objects."""
    client = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(GOVGATE))))
    assert client is not None

    async def put(path: Sequence[str], _value: Any) -> None:
        raise AssertionError(path)

    inventory = Inventory(client)
    await inventory.feed(["networking.k8s.io/v1/Ingress", "none.example.com/v1/Thing"], put)
    try:
        await until(lambda: "forbidden" in str(inventory.checks()["inventory networking.k8s.io/v1/Ingress"]))
        assert inventory.known == {"none.example.com/v1/Thing"}
    finally:
        await inventory.close()
        await client.close()


async def test_many_objects_reach_the_rules_whole_and_in_order(cluster: Cluster, namespace: str) -> None:
    """What is written adds up to what is there, without managed fields and a Secret's values."""
    root = cluster.api(ROOT)
    secret: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}
    applied = {"kubectl.kubernetes.io/last-applied-configuration": '{"stringData":{"password":"correct horse"}}'}
    secret["metadata"]["annotations"] = applied
    root.create({**secret, "stringData": {"password": "correct horse"}})
    for number in range(30):
        root.create(config_map(namespace, f"c-{number}"))
    client = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT))))
    assert client is not None
    written: Json = {}

    async def put(path: Sequence[str], value: Any) -> None:
        at = written
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
        if value is None:
            del at[path[-1]]

    inventory = Inventory(client)
    await inventory.feed(["v1/ConfigMap", "v1/Secret"], put)
    try:
        await until(lambda: inventory.known == {"v1/ConfigMap", "v1/Secret"})
        secrets = [held["v1"]["Secret"] for held in written["namespace"].values() if "Secret" in held.get("v1", {})]
        assert "correct horse" not in json.dumps(secrets)
        assert "managedFields" not in json.dumps(written)
        there = written["namespace"][namespace]["v1"]
        assert there["Secret"]["s"]["metadata"]["name"] == "s"
        assert {f"c-{number}" for number in range(30)} <= set(there["ConfigMap"])
        assert there["ConfigMap"]["c-1"]["kind"] == "ConfigMap"
        root.delete(config_map(namespace, "c-1"))
        await until(lambda: "c-1" not in written["namespace"][namespace]["v1"]["ConfigMap"])
    finally:
        await inventory.close()
        await client.close()
