"""Waivers in ``check``, and ``policy waivers``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.app import app
from policies.waivers import read_waiver, spec_digest

pytestmark = pytest.mark.native

POD = """apiVersion: v1
kind: Pod
metadata: {name: agent-1, namespace: web}
spec:
  hostPID: true
  containers: [{name: c, image: agent}]
"""


def waiver(name: str, *, days: float = 90, approved: bool = True, **spec: Any) -> dict[str, Any]:
    stated = {
        "rules": ["pod-security/host-namespaces"],
        "match": {"kinds": ["Pod"], "names": ["agent-*"]},
        "reason": "it reads the node's processes",
        "ticket": "OPS-1",
        "requestedBy": "ann",
        "expires": (datetime.now(UTC) + timedelta(days=days)).isoformat(),
    }
    document = {
        "apiVersion": "govgate.dev/v1alpha1",
        "kind": "PolicyWaiver",
        "metadata": {"name": name, "namespace": "web"},
        "spec": stated | spec,
    }
    digest = spec_digest(read_waiver(document, source="test").spec)
    approval = {"approval": {"approver": "bob", "specDigest": digest}}
    return {**document, "status": approval if approved else {}}


@pytest.fixture
def pod(tmp_path: Path) -> str:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    return str(file)


def held(tmp_path: Path, *items: dict[str, Any]) -> str:
    file = tmp_path / "waivers.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return str(file)


def run(*command: str) -> int:
    code = app(command, result_action="return_value")
    return code or 0


CHECK = ("check", "--policies", "builtin:pod-security-baseline")


def test_what_is_waived_is_shown_and_does_not_count(
    pod: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Marked with its waiver; the exit code is that of a clean run."""
    assert run(*CHECK, pod) == 3
    capsys.readouterr()
    assert run(*CHECK, pod, "--waivers", held(tmp_path, waiver("agent")), "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [finding["exception"] for finding in found["findings"]] == ["policywaiver/web/agent"]
    assert (found["summary"]["denied"], found["summary"]["excepted"]) == (0, 1)


def test_one_that_does_not_hold_is_named(pod: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not approved, or expired: the finding counts, and the reader learns of the waiver."""
    file = held(tmp_path, waiver("asked", approved=False), waiver("over", days=-1))
    assert run(*CHECK, pod, "--waivers", file) == 3
    said = capsys.readouterr().err
    assert "policywaiver/web/asked does not hold: it is unapproved" in said
    assert "policywaiver/web/over does not hold: it is expired" in said


def test_states_are_listed(pod: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which still hold, which will not for long, which nobody needs; and how to approve one."""
    file = held(
        tmp_path,
        waiver("active"),
        waiver("asked", approved=False),
        waiver("over", days=-1),
        waiver("soon", days=3),
        waiver("spare", match={"kinds": ["Pod"], "names": ["gone"]}),
    )
    command = ("policy", "waivers", pod, "--waivers", file, "--policies", "builtin:pod-security-baseline")
    assert run(*command, "-o", "json") == 0
    found = {one["id"].rpartition("/")[2]: one["state"] for one in json.loads(capsys.readouterr().out)}
    states = {"active": "active", "asked": "unapproved", "over": "expired", "spare": "no longer needed"}
    assert {name: found[name] for name in states} == states
    assert run(*command, "--fail-on", "warn") == 2
    shown = capsys.readouterr()
    assert "kubectl patch policywaiver asked -n web --subresource=status" in shown.err
    assert shown.out.splitlines()[0].split()[:2] == ["STATE", "WAIVER"]
    assert run("policy", "waivers", "--waivers", file, "-o", "json") == 0
    alone = {one["id"].rpartition("/")[2]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert alone["spare"] == "active"
    assert alone["soon"] == "expires soon"


def test_without_any_source_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither files nor a cluster: bad usage, with what to do."""
    with pytest.raises(Exception, match="name files with --waivers"):
        run("policy", "waivers")
