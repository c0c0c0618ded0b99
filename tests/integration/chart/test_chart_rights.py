"""Rights and ports of what the configuration asks for, in the chart's objects: no more, no less, nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.charts import CHART, of_kind, rendered

from policies.metadata import rule_info
from policies.sources import builtin_sets, read_sources

pytestmark = pytest.mark.servers
Json = dict[str, Any]
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
EXTERNAL = "config.controller.external"


def granted(role: Json) -> set[tuple[str, str, str]]:
    """Group, resource and verb."""
    rules = role["rules"]
    return {(g, r, v) for one in rules for g in one["apiGroups"] for r in one["resources"] for v in one["verbs"]}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_no_object_is_there_twice(values: Path) -> None:
    """Two values may be about one namespace: then one object has what both say."""
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in rendered(values=values)]
    assert len(set(names)) == len(names)


def test_names_of_one_namespace_are_put_together() -> None:
    """Of pull secrets, and of stores' accounts."""
    objects = rendered(values=CHART / "ci/everything-values.yaml")
    (secrets,) = of_kind(objects, "Role", "-named-secrets")["rules"]
    assert secrets["resourceNames"] == ["pull", "other"]
    accounts = of_kind(objects, "Role", "-stores")["rules"]
    assert [rule["resourceNames"] for rule in accounts] == [["vault-reader", "aws"]] * 2


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("networking.k8s.io/v1/Ingress", ("networking.k8s.io", "ingresses")),
        ("v1/Service", ("", "services")),
        ("networking.k8s.io/v1/NetworkPolicy", ("networking.k8s.io", "networkpolicies")),
        ("gateway.networking.k8s.io/v1/Gateway", ("gateway.networking.k8s.io", "gateways")),
        ("v1/Endpoints", ("", "endpoints")),
    ],
)
def test_what_rules_see_may_be_read(kind: str, resource: tuple[str, str], everything_seen: list[Json]) -> None:
    """By both that judge by them, however the plural of the kind is made."""
    for role in everything_seen:
        assert {(*resource, "list"), (*resource, "watch")} <= granted(role)


@pytest.fixture(scope="module")
def everything_seen() -> list[Json]:
    """The roles of the webhook and the controller."""
    kinds = "networking.k8s.io/v1/Ingress,v1/Service,networking.k8s.io/v1/NetworkPolicy"
    kinds += ",gateway.networking.k8s.io/v1/Gateway,v1/Endpoints"
    objects = rendered("--set", f"config.policy.inventory={{{kinds}}},rbac.scanGroups={{apps}}")
    return [of_kind(objects, "ClusterRole", f"govgate-{part}") for part in ("webhook", "controller")]


@pytest.mark.native
def test_what_the_built_in_rules_see_may_be_read() -> None:
    """Of each set, what its own rules name."""
    plurals = {"networking.k8s.io/v1/Ingress": "ingresses", "policy/v1/PodDisruptionBudget": "poddisruptionbudgets"}
    named = {}
    for name in (*builtin_sets(), "all"):
        found = [rule_info(module) for module in read_sources([f"builtin:{name}"]).modules]
        named[name] = {kind for info in found if info is not None for kind in info.inventory}
    assert any(named.values())
    for name, kinds in named.items():
        if kinds:
            role = of_kind(rendered("--set", f"config.policy.sources={{builtin:{name}}}"), "ClusterRole", "-webhook")
            assert {(k.split("/")[0], plurals[k], v) for k in kinds for v in ("list", "watch")} <= granted(role), name


def test_what_is_scaled_may_be_looked_at() -> None:
    """The kinds that are named, each by its group, and no more of them than to get one."""
    kinds = '[{"group": "example.com", "resources": ["scalables"]}]'
    role = of_kind(rendered("--set-json", f"rbac.scaledKinds={kinds}"), "ClusterRole", "-webhook")
    assert {one for one in granted(role) if one[0] == "example.com"} == {("example.com", "scalables", "get")}
    assert not {one for one in granted(role) if one[0] == "cluster.x-k8s.io"}
    default = granted(of_kind(rendered(), "ClusterRole", "-webhook"))
    assert {("argoproj.io", "rollouts", "get"), ("postgresql.cnpg.io", "clusters", "get")} <= default


@pytest.mark.parametrize("asked", [f"{EXTERNAL}.enabled=true", f"{EXTERNAL}.namespaces={{web}}"])
def test_rights_over_external_secrets_come_with_the_loop(asked: str) -> None:
    """Either setting starts it, so either gives them."""
    role = of_kind(rendered("--set", asked), "ClusterRole", "-controller-external")
    assert ("", "secrets", "update") in granted(role)


def test_each_shard_is_a_replica() -> None:
    """Of a StatefulSet, whose Pods have numbers, with a Service by which each is known, a Lease each, and no volume."""
    objects = rendered("--set", f"{EXTERNAL}.enabled=true,{EXTERNAL}.shards=3,controller.replicas=3")
    controller = of_kind(objects, "StatefulSet", "-controller")
    assert of_kind(objects, "Service", controller["spec"]["serviceName"])["spec"]["clusterIP"] == "None"
    assert "volumeClaimTemplates" not in controller["spec"]
    (named,) = [
        r
        for r in of_kind(objects, "Role", "-controller")["rules"]
        if "leases" in r["resources"] and r.get("resourceNames")
    ]
    assert named["resourceNames"] == ["govgate-controller", *(f"govgate-controller-external-{n}" for n in range(3))]
    one_of_them = rendered("--set", f"{EXTERNAL}.enabled=true,{EXTERNAL}.shards=3,{EXTERNAL}.shard=1")
    assert of_kind(one_of_them, "Deployment", "-controller")["spec"]["replicas"] == 2


def test_changes_can_be_told() -> None:
    """The port of the intake is open from container to Service, and the NetworkPolicy lets in who is named."""
    objects = rendered(
        "--set", f"{EXTERNAL}.enabled=true,{EXTERNAL}.intake.enabled=true,{EXTERNAL}.intake.port=9000",
        "--set", f"{EXTERNAL}.intake.tokenFile=/a",
        "--set-json", 'networkPolicy.intakeFrom=[{"ipBlock": {"cidr": "10.0.0.0/8"}}]',
    )  # fmt: skip
    container = of_kind(objects, "Deployment", "-controller")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "intake", "containerPort": 9000} in container["ports"]
    for ending in ("-controller", "-controller-replicas"):
        ports = of_kind(objects, "Service", ending)["spec"]["ports"]
        assert {"name": "intake", "port": 8082, "targetPort": "intake"} in ports
    ingress = of_kind(objects, "NetworkPolicy", "-controller")["spec"]["ingress"]
    assert {"ports": [{"port": "intake", "protocol": "TCP"}], "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]} in ingress
    assert "intake" not in str(rendered())


def test_the_controller_writes_a_registration_with_what_it_uses() -> None:
    """It replaces the one that it read; it patches none."""
    role = of_kind(rendered(), "ClusterRole", "govgate-controller")
    verbs = {v for g, r, v in granted(role) if r == "validatingwebhookconfigurations"}
    assert verbs == {"get", "update"}
