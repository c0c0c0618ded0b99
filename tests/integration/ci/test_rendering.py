"""Kustomizations and charts judged as what they stand for, by the real programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.tools import tool

pytestmark = [pytest.mark.servers, pytest.mark.native]

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      hostPID: %s
      containers: [{name: c, image: api}]
"""


def check(*command: str, programs: tuple[str, ...]) -> tuple[int, Any, str]:
    path = os.pathsep.join([str(Path(tool(name)).parent) for name in programs]) or "/nonexistent"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "gateway",
            "check",
            *command,
            "--policies",
            "builtin:pod-security-baseline",
            "-o",
            "json",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A base that is fine, and an overlay whose patch makes it not so."""
    for folder in ("base", "prod"):
        (tmp_path / folder).mkdir()
    (tmp_path / "base" / "deploy.yaml").write_text(DEPLOYMENT % "false")
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [deploy.yaml]\n")
    patch = '[{"op": "replace", "path": "/spec/template/spec/hostPID", "value": true}]'
    (tmp_path / "prod" / "patch.yaml").write_text(patch)
    (tmp_path / "prod" / "kustomization.yaml").write_text(
        "namespace: shop\nresources: [../base]\npatches: [{path: patch.yaml, target: {kind: Deployment}}]\n"
    )
    return tmp_path


@pytest.mark.parametrize("program", ["kustomize", "kubectl"])
def test_an_overlay_is_judged_as_it_is_built(overlay: Path, program: str) -> None:
    """What the patch brings in is found once, in its namespace, at the kustomization that is to be looked at."""
    code, found, said = check(str(overlay), programs=(program,))
    assert (code, found["problems"]) == (3, []), said
    [finding] = found["findings"]
    assert finding["resource"]["namespace"] == "shop"
    assert finding["location"] == {"path": f"{overlay}/prod/kustomization.yaml", "line": 1}
    assert found["summary"]["judged"] == 1


def test_nothing_is_fetched(overlay: Path) -> None:
    """A remote base fails at once, and is said."""
    (overlay / "prod" / "kustomization.yaml").write_text("resources: ['https://example.com/base.yaml']\n")
    code, found, _ = check(str(overlay / "prod"), programs=("kustomize",))
    assert code == 1
    assert "kustomize failed" in found["problems"][0]["message"]


def test_a_chart_is_judged_as_it_is_rendered(tmp_path: Path) -> None:
    """With values files and the namespace; a finding names the template."""
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (chart / "values.yaml").write_text("hostPID: false\n")
    (chart / "templates" / "deploy.yaml").write_text(DEPLOYMENT % "{{ .Values.hostPID }}")
    assert check(str(tmp_path), programs=("helm",))[0] == 0
    values = tmp_path / "values.txt"
    values.write_text("hostPID: true\n")
    code, found, said = check(str(tmp_path), "--helm-values", str(values), "-n", "shop", programs=("helm",))
    assert code == 3, said
    [finding] = found["findings"]
    assert finding["location"] == {"path": f"{chart}/templates/deploy.yaml", "line": 1}
    assert finding["resource"]["namespace"] == "shop"


def test_without_the_program_it_is_said(overlay: Path) -> None:
    """The run fails with what to do, and --render never judges what lies there."""
    code, found, _ = check(str(overlay), programs=())
    assert code == 1
    assert "neither kustomize nor kubectl" in found["problems"][0]["message"]
    code, found, _ = check(str(overlay / "base"), "--render", "never", programs=())
    assert (code, found["summary"]["judged"]) == (0, 1)


def test_what_is_rendered_is_not_fixed(overlay: Path) -> None:
    """The object that has the finding is in no file: it is said, and no file is changed."""
    before = {path: path.read_bytes() for path in overlay.rglob("*.yaml")}
    code, found, said = check(str(overlay), "--fix", programs=("kustomize",))
    assert (code, len(found["findings"])) == (3, 1)
    assert "not fixed" in said
    assert "it is rendered" in said
    assert {path: path.read_bytes() for path in overlay.rglob("*.yaml")} == before
