"""`govgate secrets graph` of a real cluster."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from support.api import Api
from support.cluster import Cluster
from support.crds import EXTERNAL_SECRETS
from support.users import NOBODY, ROOT

from gateway.cli.app import run

Json = dict[str, Any]
pytestmark = pytest.mark.native
CANARY = base64.b64encode(b"canary-of-the-graph").decode()


@pytest.fixture
def api(cluster: Cluster, namespace: str) -> Api:
    """With an ExternalSecret, a Secret that nobody makes or uses, and a Deployment."""
    cluster.install(EXTERNAL_SECRETS)
    api = cluster.api(ROOT)
    data = [{"secretKey": "password", "remoteRef": {"key": "team/db", "property": "password"}}]
    external = {"secretStoreRef": {"name": "vault"}, "data": data}
    api.create(_object("external-secrets.io/v1", "ExternalSecret", "db", namespace, spec=external))
    api.create(_object("v1", "Secret", "db", namespace, data={"password": CANARY}))
    api.create(_object("v1", "Secret", "old", namespace, data={"password": CANARY}))
    containers = [{"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": "db"}}]}]
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": containers}}
    deployment = {"selector": {"matchLabels": {"app": "api"}}, "template": template}
    api.create(_object("apps/v1", "Deployment", "api", namespace, spec=deployment))
    return api


def test_of_a_cluster(cluster: Cluster, api: Api, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a namespace holds, by the metadata of its Secrets alone; a store that is not there is said."""
    command = ["secrets", "graph", "--kubeconfig", str(cluster.kubeconfig(ROOT)), "-n", namespace]
    assert run([*command, "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    external = f"ExternalSecret.external-secrets.io/{namespace}/db"
    ways = {(edge["from"], edge["to"]): edge["how"] for edge in document["edges"]}
    assert ways == {
        (f"path/SecretStore/{namespace}/vault/team/db", external): ["password as password"],
        (external, f"Secret/{namespace}/db"): [],
        (f"Secret/{namespace}/db", f"Deployment.apps/{namespace}/api"): ["envFrom of c"],
    }
    assert {one["id"]: one["problem"] for one in document["dangling"]} == {
        external: f"there is no SecretStore {namespace}/vault here",
        f"Secret/{namespace}/old": "nothing here uses it",
    }
    assert run(command) == 0
    out, err = capsys.readouterr()
    assert "Deployment" in out
    assert CANARY not in out + err + json.dumps(document)


def test_what_may_not_be_read(cluster: Cluster, api: Api, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says what it was refused, fails, and calls nothing missing for it."""
    assert run(["secrets", "graph", "--kubeconfig", str(cluster.kubeconfig(NOBODY)), "-n", namespace]) == 1
    out, err = capsys.readouterr()
    assert "deployments.apps" in err
    assert "dangling" not in out


def _object(api_version: str, kind: str, name: str, namespace: str, **parts: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **parts}
