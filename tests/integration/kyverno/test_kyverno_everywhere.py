"""Kyverno's policies in `check`, in `policy list`, and after the answer of a live server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.gateway import Gateway, eventually, review
from support.kyverno import classic, pod
from support.tools import tool

pytestmark = [pytest.mark.servers, pytest.mark.native]

Json = dict[str, Any]
RULE = """
- name: no-data
  match: {any: [{resources: {kinds: [ConfigMap]}}]}
  validate: {message: no data, pattern: {X(data): "null"}}
- name: team
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate: {message: team is required, pattern: {metadata: {labels: {team: "?*"}}}}
"""
ENFORCE = "validationFailureAction: Enforce"


def govgate(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *command], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "policy.yaml").write_text(
        classic(RULE, spec=ENFORCE) + "---\n" + classic("- name: m\n  mutate: {}\n", name="m")
    )
    return folder


def configured(tmp_path: Path, policy: Json) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"policy": {"kyverno": {"command": tool("kyverno")}, **policy}}))
    return str(path)


def test_check_judges_by_rego_and_kyverno_together(tmp_path: Path, rules: Path) -> None:
    """Findings of both kinds with file and line, settings over both, and what is not judged is said."""
    (rules / "main.rego").write_text('package main\n\nimport rego.v1\n\nwarn contains "hello"\n')
    objects = tmp_path / "objects.yaml"
    labelled = pod("b", namespace="lab")
    objects.write_text("# a comment\n" + yaml.safe_dump_all([pod(), labelled]))
    setting = {"rules": ["kyverno/p/team"], "action": "warn", "namespaces": ["lab"]}
    config = configured(tmp_path, {"rules": [setting]})
    done = govgate("check", str(objects), "--policies", str(rules), "--config", config, "-o", "json", code=3)
    found = {(f["resource"]["name"], f["rule"]): f for f in json.loads(done.stdout)["findings"]}
    assert {key: finding["action"] for key, finding in found.items()} == {
        ("a", "kyverno/p/team"): "deny",
        ("b", "kyverno/p/team"): "warn",
        ("a", "rego/main/warn"): "warn",
        ("b", "rego/main/warn"): "warn",
    }
    where = found["a", "kyverno/p/team"]["location"]
    assert where["path"] == str(objects)
    assert where["line"] > 1
    assert "ClusterPolicy m is not judged" in done.stderr


def test_the_digest_covers_them(tmp_path: Path, rules: Path) -> None:
    """Other policies are other rules."""
    objects = tmp_path / "objects.yaml"
    objects.write_text(yaml.safe_dump(pod()))
    config = configured(tmp_path, {})

    def digest() -> str:
        done = govgate("check", str(objects), "--policies", str(rules), "--config", config, "-o", "json", code=3)
        return json.loads(done.stdout)["rules"]

    first = digest()
    assert digest() == first
    (rules / "policy.yaml").write_text(classic(RULE.replace("is required", "is needed"), spec=ENFORCE))
    assert digest() != first


def test_list_and_show_know_them_without_the_program(rules: Path) -> None:
    """What the rules are needs no command line of Kyverno."""
    listed = json.loads(govgate("policy", "list", "--policies", str(rules), "-o", "json").stdout)
    assert [rule["id"] for rule in listed["rules"] if rule["action"] == "deny"] == [
        "kyverno/p/no-data", "kyverno/p/team",
    ]  # fmt: skip
    assert "ClusterPolicy" in govgate("policy", "show", "kyverno/p/team", "--policies", str(rules)).stdout


@pytest.fixture
def server(tmp_path: Path, rules: Path) -> Iterator[Gateway]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    policy = {"sources": [str(rules)], "kyverno": {"command": tool("kyverno")}}
    gateway = Gateway(folder, settings={"workers": 1}, policy=policy)
    yield gateway
    gateway.kill()


def late(server: Gateway) -> list[Json]:
    command = ["audit", "export", "--state-dir", str(server.folder / "state")]
    records = [json.loads(line).get("record", {}) for line in govgate(*command).stdout.splitlines()]
    return [record["detail"] for record in records if record.get("type") == "late"]


def test_at_admission_it_is_recorded_after_the_answer(server: Gateway) -> None:
    """The answer does not wait and does not change; the finding is in the log with the request's uid."""
    server.start()
    server.ask(review("u-0"))
    started = time.monotonic()
    response = server.ask(review("u-1")).json()["response"]
    assert response["allowed"]
    assert time.monotonic() - started < 0.5
    eventually(lambda: len(late(server)) == 2)
    told = {detail["uid"]: detail for detail in late(server)}
    (finding,) = told["u-1"]["findings"]
    assert (finding["rule"], finding["action"]) == ("kyverno/p/no-data", "audit")
    assert "would deny; not enforced: judged after the answer" in finding["message"]
    assert told["u-1"]["indeterminate"] == []
    assert server.metric("govgate_policy_late_lost_total") == 0
    assert server.stop() == 0
    govgate("audit", "verify", "--state-dir", str(server.folder / "state"))


def test_a_server_without_the_program_does_not_start(tmp_path: Path, rules: Path) -> None:
    """It would judge less than it was told to."""
    folder = tmp_path / "other"
    folder.mkdir()
    policy = {"sources": [str(rules)], "kyverno": {"command": "/nonexistent/kyverno"}}
    gateway = Gateway(folder, settings={"workers": 1}, policy=policy)
    try:
        with pytest.raises(Exception, match="there is no /nonexistent/kyverno: get kyverno-cli"):
            gateway.start()
    finally:
        gateway.kill()
