"""``check --context``: what the cluster knows, from a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.app import app

pytestmark = pytest.mark.native

INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "mine", "namespace": "web"},
    "spec": {"rules": [{"host": "shop.example.com"}]},
}
RULES = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: nothere}
spec:
  crd: {spec: {names: {kind: NotHere}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package x
        violation[{"msg": msg}] { msg := sprintf("not by %s", [input.review.userInfo.username]) }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NotHere
metadata: {name: c}
spec: {match: {namespaceSelector: {matchLabels: {team: web}}}}
"""


def snapshot(folder: Path, *, days: float = 0, **parts: Any) -> str:
    file = folder / "context.json"
    head = {"apiVersion": "govgate.dev/v1alpha1", "kind": "ContextSnapshot"}
    captured = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    file.write_text(json.dumps({**head, "captured": captured, **parts}))
    return str(file)


@pytest.fixture
def ingress(tmp_path: Path) -> str:
    file = tmp_path / "ingress.json"
    file.write_text(json.dumps(INGRESS))
    return str(file)


def run(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, Any, str]:
    code = app(("check", *command, "-o", "json"), result_action="return_value") or 0
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


def test_other_objects_come_from_the_context(ingress: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it the rule is undecided, and the reader is told what to do; with it, it decides."""
    network = ("--policies", "builtin:network", ingress)
    code, found, said = run(capsys, *network)
    assert code == 3
    assert found["indeterminate"][0]["reason"] == "not known here: inventory networking.k8s.io/v1/Ingress"
    assert "--capture-context" in said
    other = {**INGRESS, "metadata": {"name": "theirs", "namespace": "shop"}}
    objects = {"namespace": {"shop": {"networking.k8s.io/v1": {"Ingress": {"theirs": other}}}}}
    context = snapshot(tmp_path, inventory={"kinds": ["networking.k8s.io/v1/Ingress"], "objects": objects})
    code, found, said = run(capsys, *network, "--context", context)
    assert (code, found["indeterminate"]) == (3, [])
    assert [finding["rule"] for finding in found["findings"]] == ["network/ingress-host"]
    assert "--capture-context" not in said
    empty = snapshot(tmp_path, inventory={"kinds": ["networking.k8s.io/v1/Ingress"]})
    assert run(capsys, *network, "--context", empty)[0] == 0


def test_namespaces_and_who_asks(ingress: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A namespaceSelector is decided by the captured labels; who asks is captured too, or stated."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    web = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "labels": {"team": "web"}}}
    context = snapshot(tmp_path, namespaces=[web], user={"username": "flux"})
    command = ("--policies", str(rules), ingress, "--context", context)
    code, found, _ = run(capsys, *command)
    assert (code, [finding["message"] for finding in found["findings"]]) == (3, ["not by flux"])
    _, found, _ = run(capsys, *command, "--user", "ann")
    assert [finding["message"] for finding in found["findings"]] == ["not by ann"]
    nobody = snapshot(tmp_path, namespaces=[web])
    _, found, _ = run(capsys, "--policies", str(rules), ingress, "--context", nobody)
    assert found["indeterminate"][0]["reason"] == "not known here: user"


def test_an_old_context_is_said_to_be_old(ingress: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts all the same."""
    context = snapshot(tmp_path, days=30)
    assert "captured 30 days ago" in run(capsys, ingress, "--context", context)[2]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "ContextSnapshot"}', '{"captured": "2026-01-01T00:00:00"}'])
def test_what_is_no_context_is_refused(text: str, ingress: str, tmp_path: Path) -> None:
    """Broken off, of another kind, without a time or its zone: an error that names the file."""
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(Exception, match=r"broken\.json: is no ContextSnapshot"):
        app(("check", ingress, "--context", str(file)), result_action="return_value")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("--capture-context",), "no cluster is connected"),
        (("--capture-context", "x.yaml"), "name no files"),
        (("x.yaml", "-O", "out.json"), "--file is where"),
        (("x.yaml", "--group", "a"), "--group needs --user"),
    ],
)
def test_options_that_do_not_go_together(command: tuple[str, ...], problem: str) -> None:
    """Bad usage is said before anything is read."""
    with pytest.raises(Exception, match=problem):
        app(("check", *command), result_action="return_value")


def test_exempt_namespaces_are_globs_as_at_admission(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ingress: str
) -> None:
    """What the webhook does not judge, `check` does not judge either."""
    rules, config = tmp_path / "rules.rego", tmp_path / "govgate.json"
    rules.write_text('package main\n\nimport rego.v1\n\ndeny contains "no"\n')
    for exempt, judged in (("we*", 0), ("*-web", 1)):
        policy = {"sources": [str(rules)], "exemptNamespaces": [exempt]}
        config.write_text(json.dumps({"policy": policy}))
        _, found, _ = run(capsys, ingress, "--config", str(config))
        assert found["summary"]["judged"] == judged
