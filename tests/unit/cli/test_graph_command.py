"""`govgate secrets graph` of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.external import external_secret

from gateway.cli.app import run

pytestmark = pytest.mark.native
POD = {
    "containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "db"}}], "env": [{"name": "A", "value": "canary"}]}]
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ExternalSecret, a Deployment that uses its Secret, a Secret that nobody uses."""
    meta = {"name": "api", "namespace": "web"}
    plain = {"apiVersion": "v1", "kind": "Secret", "metadata": {**meta, "name": "old"}, "stringData": {"a": "canary"}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": POD}}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([external_secret(), plain, deployment]))
    return tmp_path


@pytest.mark.parametrize("output", ["text", "json", "dot", "mermaid"])
def test_of_files(folder: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In each format: the path, the Secret, the workload, and no value."""
    assert run(["secrets", "graph", str(folder), "-o", output]) == 0
    out, err = capsys.readouterr()
    assert all(name in out for name in ("team/db", "ExternalSecret", "api", "old"))
    assert "canary" not in out + err


def test_what_is_wanted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By path, Secret, workload and namespace."""
    run(["secrets", "graph", str(folder), "-o", "json", "--path", "team/*", "--workload", "Deployment/api"])
    document = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in document["nodes"]] == ["team/db", "db", "db", "api"]
    run(["secrets", "graph", str(folder), "--secret", "web/old", "-n", "web"])
    assert capsys.readouterr().out.startswith("Secret web/old\n\ndangling:")


def test_what_cannot_be_read_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is shown, nothing is said to be missing, and the command fails."""
    (folder / "b.yaml").write_text("apiVersion: v1\nkind: [\n")
    assert run(["secrets", "graph", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert "Deployment web/api" in out
    assert "dangling" not in out
    assert "b.yaml:" in err


def test_files_or_a_cluster(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not both; and which, if the configuration connects to none."""
    assert run(["secrets", "graph", str(folder), "--kubeconfig", "x"]) == 64
    config = folder / "c.yaml"
    config.write_text("cluster: {connect: none}\n")
    assert run(["secrets", "graph", "--config", str(config)]) == 64
    assert "name files or folders" in capsys.readouterr().err
