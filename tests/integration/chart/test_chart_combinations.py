"""Whatever is switched on and off together: the API server takes what comes of it, and govgate the configuration in it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.api import Api
from support.charts import CHART, of_kind, rendered
from support.cluster import Cluster
from support.crds import Crd
from support.users import ROOT

from gateway.config.load import parse_config

pytestmark = pytest.mark.servers
Json = dict[str, Any]
FOREIGN = (
    Crd("cert-manager.io", "Certificate", "certificates", ("v1",)),
    Crd("cert-manager.io", "Issuer", "issuers", ("v1",)),
    Crd("monitoring.coreos.com", "ServiceMonitor", "servicemonitors", ("v1",)),
    Crd("monitoring.coreos.com", "PrometheusRule", "prometheusrules", ("v1",)),
)
CLAIMED, PLACE = "web", "chart-combinations"
ANY = st.booleans()
POLICY = st.sampled_from(["Fail", "Ignore"])


@st.composite
def values(draw: st.DrawFn) -> Json:
    """Values that go together: what cannot, another test has refused by name."""
    controller, register, opa = draw(ANY), draw(ANY), draw(ANY)
    modes = ["built-in", "cert-manager", "existing"] if controller else ["cert-manager", "existing"]
    mode = draw(st.sampled_from(modes))
    persistent, external, sharded = draw(ANY), controller and draw(ANY), draw(ANY)
    sealed = controller and draw(ANY)
    shards = 3 if sharded else 1
    tls: Json = {"mode": mode}
    if mode == "existing":
        tls["existing"] = {"secretName": "mine", "ca": "-----BEGIN CERTIFICATE-----"}
    if mode == "cert-manager" and draw(ANY):
        tls["certManager"] = {"issuerRef": {"name": "mine", "kind": draw(st.sampled_from(["Issuer", "ClusterIssuer"]))}}
    intake: Json = {"enabled": draw(ANY), "tokenFile": "/token"}
    section: Json = {
        "scan": {"enabled": draw(ANY), "reports": {"enabled": draw(ANY)}},
        "sealed": {
            "namespaces": [CLAIMED] if sealed else [], "endpoints": {"enabled": controller and draw(ANY)},
            "keyNamespace": draw(st.sampled_from(["", CLAIMED])),
        },
        "external": {
            "enabled": external, "shards": shards, "intake": intake, "restarts": {"enabled": draw(ANY)},
        },
    }  # fmt: skip
    one = not (external and sharded) and draw(ANY)
    if one and draw(ANY):
        section["election"] = {"enabled": False}
    config: Json = {
        "mode": draw(st.sampled_from(["enforce", "audit"])),
        "audit": {"mode": draw(st.sampled_from(["batched", "durable"])) if persistent else "batched"},
        "policy": {"sources": draw(st.sampled_from([[], ["builtin:all"], ["builtin:gitops", "cluster:gatekeeper"]]))},
        "drift": {"pulumi": {"mode": draw(st.sampled_from(["disabled", "shadow"]))}},
        "controller": section,
    }
    if opa:
        config["policy"] |= {"engine": "opa", "opa": {"url": "http://127.0.0.1:8181"}}
    return {
        "nameOverride": draw(st.sampled_from(["", "other"])),
        "image": {"digest": draw(st.sampled_from(["", "sha256:" + "0" * 64]))},
        "config": config,
        "webhook": {
            "replicas": draw(st.sampled_from([1, 3])), "register": register, "failurePolicy": draw(POLICY),
            "restoreRegistration": draw(st.sampled_from(["never", "changed", "always"])) if register else "never",
            "failurePolicyOf": draw(st.dictionaries(st.sampled_from(["drift", "secrets", "provenance"]), POLICY)),
            "persistence": {"enabled": persistent}, "shipLog": {"enabled": draw(ANY)},
            "podDisruptionBudget": {"enabled": draw(ANY)},
        },
        "controller": {
            "enabled": controller, "replicas": shards if external and sharded else 1 if one else 2,
            "persistence": {"enabled": draw(ANY)}, "podDisruptionBudget": {"enabled": draw(ANY)},
        },
        "serviceAccount": {"create": draw(ANY)},
        "rbac": {
            "create": draw(ANY),
            "secrets": {"write": [CLAIMED], "read": [{"namespace": CLAIMED, "names": ["pull"]}] if draw(ANY) else []},
        },
        "tls": tls,
        "opa": {"enabled": opa and draw(ANY)},
        "networkPolicy": {"enabled": draw(ANY)},
        "metrics": {
            "serviceMonitor": {"enabled": draw(ANY)}, "prometheusRule": {"enabled": draw(ANY)},
            "dashboard": {"enabled": draw(ANY)},
        },
        "crds": {"enabled": draw(ANY), "keep": draw(ANY)},
    }  # fmt: skip


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    """With a namespace, and the types, that all of the examples share; nothing of them is kept."""
    cluster.install(FOREIGN)
    root = cluster.api(ROOT)
    root.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}}, manager="tests")
    return root


@settings(max_examples=12)
@given(values())
def test_every_combination_is_taken(api: Api, tmp_path_factory: pytest.TempPathFactory, chosen: Json) -> None:
    """By the API server, strictly; by govgate; and each object that one refers to is there, or is the user's own."""
    assert switches(yaml.safe_load((CHART / "values.yaml").read_text())) <= switches(chosen), "a switch is not drawn"
    (file := tmp_path_factory.mktemp("values") / "values.yaml").write_text(yaml.safe_dump(chosen))
    objects = rendered(values=file, namespace=PLACE)
    names = {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in objects}
    assert len(names) == len(objects)
    parse_config(of_kind(objects, "ConfigMap", "govgate")["data"]["config.yaml"].encode(), source="config.yaml")
    for one in objects:
        whole(one, objects, names, accounts=chosen["serviceAccount"]["create"])
        if one["kind"] != "CustomResourceDefinition":  # always the same ones, and dear
            tried(api, one)


def tried(api: Api, one: Json) -> None:
    """As strictly as it can be asked: unknown and double fields are errors; nothing is kept (dry run)."""
    metadata = one["metadata"]
    if metadata.get("namespace", PLACE) != PLACE:
        metadata["namespace"] = PLACE
    path = api.path(one["apiVersion"], one["kind"], metadata.get("namespace", ""), metadata["name"])
    query = "?fieldManager=tests&fieldValidation=Strict&dryRun=All&force=true"
    api.call("PATCH", path + query, one, content_type="application/apply-patch+yaml")


def whole(one: Json, objects: list[Json], names: set[tuple[str, str, str]], *, accounts: bool) -> None:
    """Roles, accounts, Pods and ports that it names are there."""
    kind, where = one["kind"], one["metadata"].get("namespace", "")
    if kind.endswith("Binding"):
        assert (one["roleRef"]["kind"], where, one["roleRef"]["name"]) in names
        for subject in one["subjects"]:
            assert not accounts or ("ServiceAccount", PLACE, subject["name"]) in names
    if kind in {"ClusterRole", "Role"}:
        assert one["rules"]
        assert (f"{kind}Binding", where, one["metadata"]["name"]) in names
    if kind == "Service":
        pods = [o["spec"]["template"] for o in objects if o["kind"] in {"Deployment", "StatefulSet"}]
        (pod,) = [pod for pod in pods if one["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", ())}
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= ports
    if kind in {"Deployment", "StatefulSet"}:
        pod, claims = one["spec"]["template"]["spec"], one["spec"].get("volumeClaimTemplates", [])
        volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in claims}
        for container in pod["containers"] + pod.get("initContainers", []):
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes
        assert kind == "Deployment" or ("Service", PLACE, one["spec"]["serviceName"]) in names
        assert not accounts or ("ServiceAccount", PLACE, pod["serviceAccountName"]) in names


def switches(held: Json, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths of what is true or false."""
    found = {(*path, name) for name, one in held.items() if isinstance(one, bool)}
    return found.union(*(switches(one, (*path, name)) for name, one in held.items() if isinstance(one, dict)))
