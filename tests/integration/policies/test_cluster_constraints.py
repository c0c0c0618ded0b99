"""Gatekeeper's templates, constraints and expansions as the cluster holds them take effect as they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import Cluster
from support.crds import Crd
from support.gatekeeper import HEAD, constraint, template, thing
from support.gateway import Gateway, eventually
from support.users import ROOT

from webhooks.constraints import CLUSTER_GATEKEEPER

Json = dict[str, Any]
WAIVERS = ("govgate.dev", ["*"])
pytestmark = pytest.mark.native

KIND = "NoLatest"
CRDS = (
    Crd("templates.gatekeeper.sh", "ConstraintTemplate", "constrainttemplates", ("v1",), "Cluster"),
    Crd("expansion.gatekeeper.sh", "ExpansionTemplate", "expansiontemplate", ("v1",), "Cluster"),
    Crd("constraints.gatekeeper.sh", KIND, KIND.lower(), ("v1beta1",), "Cluster"),
)
READS = (
    ("", ["namespaces"]),
    ("templates.gatekeeper.sh", ["*"]),
    ("constraints.gatekeeper.sh", ["*"]),
    ("expansion.gatekeeper.sh", ["*"]),
)
REGO = HEAD + 'violation[{"msg": m}] { endswith(input.review.object.spec.containers[_].image, ":latest"); m := "%s" }'
EXPANSION = {
    "apiVersion": "expansion.gatekeeper.sh/v1",
    "kind": "ExpansionTemplate",
    "metadata": {"name": "workloads"},
    "spec": {
        "applyTo": [{"groups": ["apps"], "kinds": ["Deployment"], "versions": ["v1"]}],
        "templateSource": "spec.template",
        "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"},
    },
}


def pod(namespace: str) -> Json:
    return thing("Pod", "p", namespace, spec={"containers": [{"name": "c", "image": "nginx:latest"}]})


def deployment(namespace: str) -> Json:
    labels = {"app": "a"}
    below = {"metadata": {"labels": labels}, "spec": pod(namespace)["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": below}
    return thing("Deployment", "d", namespace, version="apps/v1", spec=spec)


@pytest.fixture
def root(cluster: Cluster) -> Iterator[Any]:
    """The API as root; what these tests make is gone afterwards."""
    cluster.install(CRDS)
    api = cluster.api(ROOT)
    yield api
    for item in (template("", kind=KIND), constraint(kind=KIND), EXPANSION):
        api.delete(item, missing_ok=True)


def refused(root: Any, item: Json) -> str:
    path = root.path(item["apiVersion"], item["kind"], item["metadata"]["namespace"])
    try:
        root.call("POST", f"{path}?dryRun=All", item)
    except ApiError as error:
        return str(error)
    return ""


def test_constraints_of_the_cluster_take_effect_as_they_change(
    root: Any, namespace: str, connected: Callable[..., Gateway]
) -> None:
    """Added, changed, broken, expanded and removed, without a restart; what is broken stays as it was, and is named."""
    gateway = connected(WAIVERS, *READS, sources=[CLUSTER_GATEKEEPER])
    assert refused(root, pod(namespace)) == ""
    root.apply(template(REGO % "first", kind=KIND), manager="tests")
    root.apply(constraint(kind=KIND), manager="tests")
    eventually(lambda: "first" in refused(root, pod(namespace)))
    assert refused(root, deployment(namespace)) == ""

    root.apply(template(REGO % "second", kind=KIND), manager="tests")
    eventually(lambda: "second" in refused(root, pod(namespace)))

    root.apply(template(HEAD + "violation[", kind=KIND), manager="tests")
    eventually(lambda: KIND.lower() in gateway.health("/readyz?verbose").text)
    assert "ok, but: " in gateway.health("/readyz?verbose").text
    assert "second" in refused(root, pod(namespace))
    assert "govgate_policy_problems 1.0" in gateway.health("/metrics").text

    root.apply(template(REGO % "third", kind=KIND), manager="tests")
    root.create(EXPANSION)
    eventually(lambda: "[Implied by workloads] third" in refused(root, deployment(namespace)))
    eventually(lambda: "ok, but: " not in gateway.health("/readyz?verbose").text)

    root.delete(constraint(kind=KIND))
    eventually(lambda: refused(root, pod(namespace)) == "")
    eventually(lambda: refused(root, deployment(namespace)) == "")
