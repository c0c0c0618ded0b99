"""`govgate scan`: what a cluster holds, judged as `check` judges it, with the exit codes and reports of `check`."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.kyverno import classic
from support.tools import tool
from support.users import ALICE, BOB, NOBODY, ROOT

from gateway.cli.app import run as govgate
from gateway.core.finding import Resource, finding_id
from policies.waivers import read_waiver, spec_digest

Json = dict[str, Any]
pytestmark = pytest.mark.native

SETS = ("--policies", "builtin:pod-security-baseline", "--policies", "builtin:secrets")


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(*command: str) -> Done:
    """The command in this process: starting another one takes longer than the scan."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = govgate(command)
    return Done(code, out.getvalue(), err.getvalue())


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


def test_a_scan_finds_what_check_finds(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
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
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text("\n---\n".join(map(json.dumps, items)))
    checked = json.loads(run("check", str(manifests), "-o", "json", *SETS).stdout)
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


GATEKEEPER = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: nodata}
spec:
  crd: {spec: {names: {kind: NoData}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package nodata
        violation[{"msg": "it has data"}] { input.review.object.data }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NoData
metadata: {name: scanned}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}
  enforcementAction: scoped
  scopedEnforcementActions:
    - action: warn
      enforcementPoints: [{name: audit.gatekeeper.sh}]
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NoData
metadata: {name: asked}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}
  enforcementAction: scoped
  scopedEnforcementActions:
    - action: deny
      enforcementPoints: [{name: validation.gatekeeper.sh}]
"""


def test_gatekeepers_constraints_are_in_force_as_its_audit_has_them(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Those that are scoped to admission are not, those that are scoped to the audit are, with the action stated there."""
    metadata = {"name": "c", "namespace": namespace}
    cluster.api(ROOT).create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
    rules = tmp_path / "rules.yaml"
    rules.write_text(GATEKEEPER)
    kubeconfig = str(cluster.kubeconfig(ROOT))
    done = run("scan", "-n", namespace, "--kubeconfig", kubeconfig, "--policies", str(rules), "-o", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["findings"]
    assert [(one["rule"], one["action"]) for one in found] == [("gatekeeper/NoData/scanned", "warn")]


KYVERNO = """
- name: team
  match: {any: [{resources: {kinds: [ConfigMap]}}]}
  validate: {message: team is required, pattern: {metadata: {labels: {team: "?*"}}}}
"""
CRDS = Path(__file__).parents[3] / "charts" / "govgate" / "files" / "crds"


def test_kyvernos_policies_and_waivers_hold_in_a_scan(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """What Kyverno's command line finds has the ids that it has in check; what a waiver covers is kept, and does not count."""
    root = cluster.api(ROOT)
    for file in sorted(CRDS.glob("*polic*.yaml")):
        root.apply(yaml.safe_load(file.read_text()), manager="tests")

    def served() -> bool:
        with contextlib.suppress(ApiError):  # the group itself is served a moment after its first CRD
            return len(root.call("GET", "/apis/govgate.dev/v1alpha1")["resources"]) >= 4
        return False

    wait_for(served, seconds=60)
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
        for name in ("a", "b")
    ]
    for item in items:
        root.create(item)
    waiver = {
        "apiVersion": "govgate.dev/v1alpha1",
        "kind": "PolicyWaiver",
        "metadata": {"name": "w", "namespace": namespace},
        "spec": {
            "rules": ["kyverno/p/team"],
            "match": {"kinds": ["ConfigMap"], "names": ["b"]},
            "reason": "it belongs to nobody",
            "ticket": "OPS-1",
            "requestedBy": ALICE.name,
            "expires": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        },
    }
    digest = spec_digest(read_waiver(root.create(waiver), source="test").spec)
    approval = {"approval": {"approver": BOB.name, "specDigest": digest}}
    root.patch(waiver, {"status": approval}, subresource="status")
    policy, config = tmp_path / "policy.yaml", tmp_path / "govgate.yaml"
    enforced = classic(KYVERNO, spec="validationFailureAction: Enforce")
    policy.write_text(f"{enforced}---\n{classic(KYVERNO, name='asked', spec='background: false')}")
    sources = {"sources": [str(policy)], "kyverno": {"command": tool("kyverno")}}
    config.write_text(yaml.safe_dump({"policy": sources}))
    command = ("scan", "-n", namespace, "--kubeconfig", str(cluster.kubeconfig(ROOT)), "--config", str(config))
    done = run(*command, "-o", "json")
    assert done.returncode == 3, done.stderr
    scanned = json.loads(done.stdout)
    about = [Resource("v1", "ConfigMap", namespace, name) for name in ("a", "b")]
    fields = [f["field"] for f in scanned["findings"]]
    expected = [finding_id("kyverno/p/team", one, field) for one, field in zip(about, fields, strict=True)]
    assert [f["id"] for f in scanned["findings"]] == expected
    assert [f["exception"] for f in scanned["findings"]] == [None, f"policywaiver/{namespace}/w"]
    assert (scanned["summary"]["denied"], scanned["summary"]["excepted"]) == (1, 1)


def test_what_may_not_be_read_is_a_problem(cluster: Cluster, namespace: str) -> None:
    """Whoever may list nothing is told so, type by type, and the command fails."""
    done = run("scan", "-n", namespace, "--kubeconfig", str(cluster.kubeconfig(NOBODY)), *SETS)
    assert done.returncode == 1
    assert "forbidden" in done.stderr


def test_a_namespace_that_is_not_judged_is_no_clean_one() -> None:
    """Asked for it alone, the command says so instead of finding nothing."""
    done = run("scan", "-n", "kube-system")
    assert (done.returncode, done.stdout) == (64, "")
    assert "kube-system is not judged" in done.stderr


def test_no_scan_has_run(tmp_path: Path) -> None:
    """Without a state folder there is nothing to show, and one line says so."""
    done = run("scan", "--last", "--state-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("govgate: there are no findings in")
