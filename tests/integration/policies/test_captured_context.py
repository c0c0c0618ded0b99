"""A context captured from a live cluster makes ``check`` decide as the cluster does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster
from support.users import ALICE, NOBODY, ROOT

Json = dict[str, Any]
pytestmark = pytest.mark.native


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *command], capture_output=True, text=True, check=False, timeout=60
    )


def ingress(namespace: str, name: str, host: str) -> Json:
    metadata = {"name": name, "namespace": namespace}
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec = {"rules": [{"host": host, "http": {"paths": paths}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def mine(context: dict[str, Any], namespace: str) -> dict[str, Any]:
    """All but the time, and what is in other namespaces."""
    inventory = context["inventory"]
    objects = inventory["objects"]["namespace"][namespace]
    own = [one for one in context["namespaces"] if one["metadata"]["name"] == namespace]
    return {**context, "captured": "", "namespaces": own, "inventory": {**inventory, "objects": objects}}


def test_a_captured_context_decides(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """What rules look at is there, by whom it was captured, no Secret's value; twice the same."""
    root = cluster.api(ROOT)
    host = f"{namespace}.example.com"
    root.create(ingress(namespace, "theirs", host))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}
    root.create({**secret, "stringData": {"password": "correct horse battery"}})
    config = tmp_path / "govgate.yaml"
    connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ALICE))}
    policy = {"sources": ["builtin:network"], "inventory": ["v1/Secret"]}
    config.write_text(json.dumps({"cluster": connection, "policy": policy}))
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        done = run("check", "--capture-context", "-O", str(file), "--config", str(config))
        assert done.returncode == 0, done.stderr
    one, two = (json.loads(file.read_text()) for file in files)
    # Other tests' namespaces may be going meanwhile.
    assert mine(one, namespace) == mine(two, namespace)
    assert "correct" not in files[0].read_text()
    assert one["user"]["username"] == ALICE.name
    assert one["inventory"]["objects"]["namespace"][namespace]["v1"]["Secret"]["s"]["metadata"]["name"] == "s"

    manifest = tmp_path / "mine.json"
    manifest.write_text(json.dumps(ingress("elsewhere", "mine", host)))
    command = ("check", str(manifest), "--policies", "builtin:network", "-o", "json")
    without = json.loads(run(*command).stdout)
    assert without["findings"] == []
    assert without["indeterminate"] != []
    done = run(*command, "--context", str(files[0]))
    found = json.loads(done.stdout)
    assert (done.returncode, found["indeterminate"]) == (3, [])
    assert f"belongs to the Ingress {namespace}/theirs" in found["findings"][0]["message"]


def test_what_may_not_be_read_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    """A context with a part missing would be taken for the whole: none is written."""

    config = tmp_path / "govgate.yaml"
    connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(NOBODY))}
    config.write_text(json.dumps({"cluster": connection, "policy": {"sources": ["builtin:network"]}}))
    done = run("check", "--capture-context", "-O", str(tmp_path / "context.json"), "--config", str(config))
    assert done.returncode == 1
    assert "forbidden" in done.stderr
    assert not (tmp_path / "context.json").exists()
