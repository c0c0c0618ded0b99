"""`govgate scan`: what a cluster holds, judged as `check` judges it, with the exit codes and reports of `check`."""

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

SETS = ("--policies", "builtin:pod-security-baseline", "--policies", "builtin:secrets")


def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def deployment(namespace: str, name: str, **pod: Any) -> Json:
    spec = {"containers": [{"name": "c", "image": "example.com/c:1"}], **pod}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def test_a_scan_finds_what_check_finds(cluster: Cluster, namespace: str) -> None:
    """The same findings, with the same ids, actions and texts, in the order of kind and name."""
    root = cluster.api(ROOT)
    items = [
        deployment(namespace, "b", hostPID=True),
        deployment(namespace, "a", hostNetwork=True),
        deployment(namespace, "clean"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "z", "namespace": namespace},
         "data": {"password": "correct horse battery"}},
    ]  # fmt: skip
    for item in items:
        root.create(item)
    stream = "\n---\n".join(map(json.dumps, items))
    checked = json.loads(run("check", "-", "-o", "json", *SETS, stdin=stream).stdout)
    kubeconfig = str(cluster.kubeconfig(ALICE))
    done = run("scan", "-n", namespace, "--kubeconfig", kubeconfig, "-o", "json", *SETS)
    assert done.returncode == 3, done.stderr
    scanned = json.loads(done.stdout)
    for finding in checked["findings"]:
        finding["location"] = None
    assert sorted(map(json.dumps, scanned["findings"])) == sorted(map(json.dumps, checked["findings"]))
    names = [(f["resource"]["kind"], f["resource"]["name"]) for f in scanned["findings"]]
    assert names == sorted(names)
    assert len(set(names)) == 3
    assert scanned["summary"]["judged"] == 4
    assert "correct horse" not in done.stdout + done.stderr


def test_what_may_not_be_read_is_a_problem(cluster: Cluster, namespace: str) -> None:
    """Whoever may list nothing is told so, type by type, and the command fails."""
    done = run("scan", "-n", namespace, "--kubeconfig", str(cluster.kubeconfig(NOBODY)), *SETS)
    assert done.returncode == 1
    assert "forbidden" in done.stderr


def test_no_scan_has_run(tmp_path: Path) -> None:
    """Without a state folder there is nothing to show, and one line says so."""
    done = run("scan", "--last", "--state-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("govgate: there are no findings in")
