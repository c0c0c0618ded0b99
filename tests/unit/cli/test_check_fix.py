"""``check --fix``: findings put right in their files, by the rules that found them."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from support.library import example, rules

from gateway.ci.inputs import Problem
from gateway.ci.job import Job
from gateway.cli.app import app
from gateway.cli.check import judged
from gateway.cli.check_fix import fix_files
from gateway.config import load_config

pytestmark = pytest.mark.native

POD = """# The agent of each node.
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
    hostPID: true   # reads processes
    containers:
    - name:  'app'
      image: registry.example/app:1.2
      securityContext:
          privileged: yes
      # its port
      ports: [{containerPort: 80}]
---
kind: Other # no object
"""
FIXED = """# The agent of each node.
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
    containers:
    - name:  'app'
      image: registry.example/app:1.2
      securityContext:
          privileged: false
      # its port
      ports: [{containerPort: 80}]
---
kind: Other # no object
"""
BASELINE = "builtin:pod-security-baseline"
FIXING = sorted(
    rule
    for rule in rules()
    if '"fix"' in (Path(__file__).parents[3] / "policies" / "library" / rule / "rule.rego").read_text()
)


def check(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, Any, str]:
    code = app(("check", *command, "-o", "json"), result_action="return_value") or 0
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    return file


def sarif(capsys: pytest.CaptureFixture[str], *command: str) -> list[Any]:
    app(("check", *command, "-o", "sarif"), result_action="return_value")
    results: list[Any] = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    return results


def put_right(text: str, results: list[Any]) -> str:
    """The text with the fixes of a SARIF log, by what the standard says of regions."""
    edits = []
    for result in results:
        (fix,) = result["fixes"]
        (change,) = fix["artifactChanges"]
        assert fix["description"]["text"]
        assert change["artifactLocation"] == result["locations"][0]["physicalLocation"]["artifactLocation"]
        edits += change["replacements"]
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:at])) for at in range(len(lines) + 1)]
    for edit in sorted(edits, key=lambda edit: -edit["deletedRegion"]["startLine"]):
        region = edit["deletedRegion"]
        start = starts[region["startLine"] - 1] + region["startColumn"] - 1
        end = starts[region["endLine"] - 1] + region["endColumn"] - 1
        text = text[:start] + edit.get("insertedContent", {"text": ""})["text"] + text[end:]
    return text


def test_sarif_says_what_fixes_change(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each result holds its own fix; all of them done by another program give what --fix gives, and no file is changed."""
    results = sarif(capsys, str(pod), "--policies", BASELINE)
    assert len(results) == 2
    assert put_right(POD, results) == FIXED
    assert pod.read_text() == POD


def test_sarif_shows_no_secrets(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fix that would write a line anew which holds more than is changed is left out; values stand in no report."""
    pod.write_text(POD.replace("      securityContext:\n          privileged: yes\n", "")
                   .replace("    hostPID: true   # reads processes\n", "")
                   .replace("image: registry.example/app:1.2", "{image: x, env: [{name: P, value: hunter2}], securityContext: {privileged: true}}")
                   .replace("    - name:  'app'\n      {", "    - {name: app, ").replace("      # its port\n      ports: [{containerPort: 80}]\n", ""))  # fmt: skip
    results = sarif(capsys, str(pod), "--policies", BASELINE)
    assert [result["ruleId"] for result in results] == ["pod-security/privileged"]
    assert "fixes" not in results[0]
    assert "hunter2" not in json.dumps(results)


def test_what_is_fixed_is_judged_again(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the fields in question change; the report and the exit code are those of what is left."""
    code, report, said = check(capsys, str(pod), "--policies", BASELINE)
    assert code == 3
    assert {finding["rule"]: finding["fix"] for finding in report["findings"]} == {
        "pod-security/host-namespaces": {"op": "remove"},
        "pod-security/privileged": {"op": "set", "value": False},
    }
    code, report, said = check(capsys, str(pod), "--policies", BASELINE, "--fix")
    assert (code, report["findings"]) == (0, [])
    assert pod.read_text() == FIXED
    assert f"govgate: fixed {pod}:6: pod-security/host-namespaces: spec.hostPID\n" in said
    assert f"govgate: fixed {pod}:11: pod-security/privileged: spec.containers[name=app]" in said


def test_what_has_no_fix_is_left(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person has to decide stays a finding, and counts."""
    command = (str(pod), "--policies", BASELINE, "--policies", "builtin:supply-chain", "--fix")
    code, report, _ = check(capsys, *command)
    assert code == 3
    assert [finding["rule"] for finding in report["findings"]] == ["supply-chain/image-digest"]
    before = pod.read_bytes()
    assert check(capsys, *command)[0] == 3
    assert pod.read_bytes() == before


def test_a_fix_that_another_makes_possible_is_made(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The API server refuses a privileged container without escalation: first the one, then the other."""
    code, report, _ = check(capsys, str(pod), "--policies", "builtin:pod-security-restricted", "--fix")
    assert code == 3
    assert {finding["rule"] for finding in report["findings"]} == {"pod-security/run-as-non-root"}
    assert "          allowPrivilegeEscalation: false\n" in pod.read_text()
    assert "          capabilities:\n              drop: [ALL]\n" in pod.read_text()


def test_what_is_accepted_stays(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A finding that a suppression covers is not fixed."""
    until = datetime.now(UTC).date() + timedelta(days=9)
    accepted = f'# govgate:ignore pod-security/* until={until} reason="it is for that"'
    pod.write_text(POD.replace("# reads processes", accepted))
    code, report, _ = check(capsys, str(pod), "--policies", BASELINE, "--fix")
    assert (code, [finding["field"] for finding in report["findings"]]) == (0, ["spec.hostPID"])
    assert "hostPID: true" in pod.read_text()


def test_a_diff_changes_nothing(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--diff prints what would change, in place of the report; git takes it for what --fix does."""
    code = app(("check", str(pod), "--policies", BASELINE, "--diff"), result_action="return_value")
    shown = capsys.readouterr()
    assert (code, pod.read_text()) == (3, POD)
    assert "-    hostPID: true   # reads processes\n" in shown.out
    assert "2 denied" not in shown.out
    subprocess.run(["git", "init", "-q"], cwd=pod.parent, check=True)
    patch = shown.out.replace(str(pod), "x/pod.yaml")
    subprocess.run(["git", "apply", "--unidiff-zero"], cwd=pod.parent, check=True, input=patch, text=True)
    assert pod.read_text() == FIXED


def test_a_diff_shows_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that holds more than what is changed is not printed, but said to change."""
    file = tmp_path / "pod.json"
    env = [{"name": "PASSWORD", "value": "hunter2"}]
    containers = [{"name": "app", "image": "a", "env": env, "securityContext": {"privileged": True}}]
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": containers}}
    file.write_text(json.dumps(item))
    assert app(("check", str(file), "--policies", BASELINE, "--diff"), result_action="return_value") == 3
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err
    assert f"{file}:1: would change; not shown" in shown.err


def test_standard_input_is_no_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pod: Path
) -> None:
    """What came from a pipe is judged again as it was, beside a file that was fixed."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(POD.encode())))
    code, report, said = check(capsys, "-", str(pod), "--policies", BASELINE, "--fix")
    assert (code, len(report["findings"]), report["summary"]["judged"]) == (3, 2, 2)
    assert said.count("govgate: not fixed standard input:") == 2
    assert pod.read_text() == FIXED


def test_a_file_named_twice_is_fixed_once(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two names of one file are one file."""
    link = pod.parent / "link.yaml"
    link.symlink_to(pod)
    code, _, said = check(capsys, str(pod), str(link), "--policies", BASELINE, "--fix")
    assert (code, pod.read_text(), "not fixed" in said) == (0, FIXED, False)
    assert link.is_symlink()


def test_an_alias_is_left_to_a_person(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A field that counts elsewhere too is not changed, and it is said why."""
    pod.write_text(
        POD.replace("securityContext:\n          privileged: yes", "securityContext: *c").replace(
            "kind: Pod", "kind: Pod\nx: &c {privileged: yes}"
        )
    )
    code, _, said = check(capsys, str(pod), "--policies", BASELINE, "--fix")
    assert code == 3
    assert "securityContext: *c" in pod.read_text()
    assert "pod-security/privileged: spec.containers[name=app].securityContext.privileged: the field is reached" in said


def test_a_file_that_changes_meanwhile_is_left_alone(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was judged is what is fixed: whatever somebody wrote since is theirs."""
    config = load_config(None).config
    run = judged(Job((str(pod),), structs.replace(config, policy=structs.replace(config.policy, sources=(BASELINE,)))))
    pod.write_text(POD + "# theirs\n")
    problems: list[Problem] = []
    assert not fix_files(run, set(), problems)
    assert (pod.read_text(), problems) == (POD + "# theirs\n", [])
    assert capsys.readouterr().err.count("the file has changed since it was read") == 2


def test_without_room_the_run_fails(pod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be written is as it was; its findings are there, and the exit code is 1."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        code, report, _ = check(capsys, str(pod), "--policies", BASELINE, "--fix")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, len(report["findings"]), pod.read_text()) == (1, 2, POD)
    assert "cannot be written, and is as it was" in report["problems"][0]["message"]
    assert list(pod.parent.iterdir()) == [pod]


@pytest.mark.parametrize("rule", FIXING)
def test_the_bad_example_becomes_a_good_one(rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a rule of the library says puts its finding right does so."""
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(example(rule, "Bad").documents[0], indent=2))
    command = (str(file), "--policies", f"builtin:{rules()[rule].sets[0]}")
    _, report, _ = check(capsys, *command)
    found = [finding for finding in report["findings"] if finding["rule"] == rule]
    assert found
    assert all("fix" in finding for finding in found)
    _, report, _ = check(capsys, *command, "--fix")
    assert rule not in {finding["rule"] for finding in report["findings"]}
