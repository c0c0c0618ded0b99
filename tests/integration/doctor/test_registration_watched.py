"""`govgate serve` watches its registration on a real API server: says what became of it, and puts it back if told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import ApiError
from support.cluster import Cluster
from support.gateway import Gateway, eventually
from support.users import GOVGATE, ROOT

from gateway.config.model import Cluster as ClusterSettings
from gateway.config.model import Config
from gateway.server.registration import Target, registration

Json = dict[str, Any]
API = "admissionregistration.k8s.io/v1"
KIND = "ValidatingWebhookConfiguration"
SERIES = 'govgate_registration_state{{name="{}"}}'
RBAC = "rbac.authorization.k8s.io"
_SECONDS = 60.0


@pytest.fixture
def held(cluster: Cluster, namespace: str) -> Iterator[Json]:
    """A registration that asks nobody about anything, and believes somebody."""
    document = registration(
        Config(cluster=ClusterSettings(own_namespace=namespace)), Target(), name=f"{namespace}-watched"
    )
    for webhook in document["webhooks"]:
        webhook["matchConditions"].append({"name": "never", "expression": "false"})
        webhook["clientConfig"]["caBundle"] = cluster.ca_bundle
    root = cluster.api(ROOT)
    yield root.create(document)
    root.delete(document, missing_ok=True)


@pytest.fixture
def watching(cluster: Cluster, namespace: str, held: Json, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts a server as the chart's account for it: it may write that one registration, and no other."""
    name = held["metadata"]["name"]
    guards = [
        "",
        "govgate.dev",
        "argoproj.io",
        *(f"{one}.toolkit.fluxcd.io" for one in ("kustomize", "helm", "source")),
    ]
    rules = [{"apiGroups": guards, "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    rules += [
        {"apiGroups": [API.partition("/")[0]], "resources": ["validatingwebhookconfigurations"], **some}
        for some in (
            {"verbs": ["get", "list", "watch"]},
            {"verbs": ["create", "update", "patch"], "resourceNames": [name]},
        )
    ]
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": GOVGATE.name}],
    }
    root = cluster.api(ROOT)
    root.create(role)
    root.create(binding)
    wanted = json.loads(json.dumps(held))
    wanted["metadata"] = {"name": name}
    for webhook in wanted["webhooks"]:
        del webhook["clientConfig"]["caBundle"]
    file = tmp_path / "registration.yaml"
    file.write_text(yaml.safe_dump(wanted))
    made: list[Gateway] = []

    def start(restore: str) -> Gateway:
        watched = {"name": name, "file": str(file), "restore": restore, "restoreAfterSeconds": 0}
        folder = tmp_path / f"gateway-{restore}"
        folder.mkdir()
        kubeconfig = str(cluster.kubeconfig(GOVGATE))
        one = Gateway(
            folder,
            settings={"registration": watched, "workers": 2 if restore == "never" else 1},
            cluster={"connect": "kubeconfig", "kubeconfig": kubeconfig, "ownNamespace": namespace},
            policy={"sources": []},
        )
        made.append(one)
        one.start()
        eventually(lambda: "[+]registration ok" in one.health("/readyz?verbose").text, seconds=_SECONDS)
        return one

    yield start
    for one in made:
        one.kill()
    root.delete(binding)
    root.delete(role)


def now(cluster: Cluster, held: Json) -> Json:
    return cluster.api(ROOT).get(API, KIND, "", held["metadata"]["name"])


def change(cluster: Cluster, held: Json, **changed: Any) -> None:
    found = now(cluster, held)
    found["webhooks"][0] |= changed
    cluster.api(ROOT).replace(found)


def test_a_change_and_a_removal_are_told_and_left(cluster: Cluster, held: Json, watching: Callable[..., Gateway]):
    """In `/readyz?verbose`, by the metric, in the log; the server stays ready, and what was done stays done.

    And `/rules` tells by what each worker judges, which certificate is served, what time it is there, and nothing else.
    """
    gateway = watching("never")
    series = SERIES.format(held["metadata"]["name"])
    assert gateway.metric(series) == 1
    change(cluster, held, failurePolicy="Ignore")
    eventually(
        lambda: "[!]registration ok, but: it was changed" in gateway.health("/readyz?verbose").text, seconds=_SECONDS
    )
    assert gateway.metric(series) == 0
    assert gateway.health("/readyz").status == 200
    (event,) = gateway.events("registration not as it should be")
    assert event["problem"] == "it was changed: webhooks[validate.govgate.dev].failurePolicy"
    change(cluster, held, failurePolicy="Fail")
    eventually(lambda: gateway.metric(series) == 1, seconds=_SECONDS)
    cluster.api(ROOT).delete(held)
    eventually(lambda: "nothing is asked of govgate" in gateway.health("/readyz?verbose").text, seconds=_SECONDS)
    assert gateway.metric("govgate_registration_restored_total") == 0
    with pytest.raises(ApiError):
        now(cluster, held)
    told = gateway.health("/rules").json()
    assert set(told) == {"version", "workers", "certificate", "time"}
    assert set(told["workers"]) == {"0", "1"}
    assert len(set(told["workers"].values())) == 1
    assert "PRIVATE" not in json.dumps(told)
    assert told["certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_what_was_changed_is_put_back_and_what_was_removed_is_made_anew(
    cluster: Cluster, held: Json, watching: Callable[..., Gateway]
):
    """With `always`; whom to believe stays. The right to create is limited by RBAC to the one name."""
    gateway = watching("always")
    series = SERIES.format(held["metadata"]["name"])
    stranger = {**held["webhooks"][0], "name": "stranger.example.com"}
    found = now(cluster, held)
    found["webhooks"][0]["rules"] = found["webhooks"][0]["rules"][:1]
    cluster.api(ROOT).replace({**found, "webhooks": [*found["webhooks"], stranger]})
    eventually(lambda: gateway.metric("govgate_registration_restored_total") >= 1, seconds=_SECONDS)
    eventually(lambda: gateway.metric(series) == 1, seconds=_SECONDS)
    assert now(cluster, held)["webhooks"] == held["webhooks"]
    assert now(cluster, held)["metadata"]["uid"] == held["metadata"]["uid"]
    restored = gateway.metric("govgate_registration_restored_total")
    cluster.api(ROOT).delete(held)
    eventually(lambda: gateway.metric("govgate_registration_restored_total") > restored, seconds=_SECONDS)
    anew = now(cluster, held)
    assert anew["metadata"]["uid"] != held["metadata"]["uid"]
    assert {one["clientConfig"]["caBundle"] for one in anew["webhooks"]} == {cluster.ca_bundle}
    eventually(lambda: gateway.metric(series) == 1, seconds=_SECONDS)
