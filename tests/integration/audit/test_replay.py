"""A recorded log judged again by the command: the same by the same rules, and what changes by others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.native


def govgate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the demonstration: reviews that a real API server sent."""
    folder = tmp_path_factory.mktemp("demo")
    done = govgate("demo", "--state-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


def replayed(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = govgate("replay", *arguments, "-o", "json")
    assert done.returncode in (0, 2, 3), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_same_rules_say_the_same(log, tmp_path):
    """From the log and from an export of it, request by request; redacted values make no difference to drift."""
    code, made = replayed("--state-dir", log)
    assert (code, made["changed"], made["passedOver"]) == (0, 0, {})
    assert made["judged"] == made["same"] > 50
    export = tmp_path / "log.jsonl"
    assert govgate("audit", "export", "--bodies", "-O", export, "--state-dir", log).returncode == 0
    assert replayed(export) == (code, made)


def test_other_rules_say_something_else(log):
    """Exit code 3 where something is refused that was not, and which rule, whose request, what object."""
    code, made = replayed("--state-dir", log, "--policies", "builtin:pod-security-baseline")
    assert code == 3
    assert made["newlyRefused"] == 1
    (change,) = made["changes"]
    assert (change["before"], change["after"]) == ("allow", "deny")
    assert change["appeared"] == ["pod-security/capabilities (deny)"]
    assert change["objects"] == ["web/migrate"]


def test_two_configurations_against_each_other(log, tmp_path):
    """What was answered then does not matter: both are judged now."""
    shadow = tmp_path / "shadow.yaml"
    shadow.write_text("drift: {mode: shadow}\n")
    code, made = replayed("--state-dir", log, "--config", shadow)
    assert code == 0
    assert made["newlyAllowed"] > 10
    code, made = replayed("--state-dir", log, "--config", shadow, "--before", shadow)
    assert (code, made["changed"]) == (0, 0)


def test_a_log_without_bodies_says_so(log, tmp_path):
    """An export without bodies can be verified, not replayed."""
    export = tmp_path / "log.jsonl"
    govgate("audit", "export", "-O", export, "--state-dir", log)
    code, made = replayed(export)
    assert (code, made["judged"]) == (0, 0)
    assert sum(made["passedOver"].values()) > 50


@pytest.mark.parametrize(
    ("text", "says"), [("junk\n", "not a line of an audit export"), ('{"record":{}}\n', "not an audit record")]
)
def test_a_file_that_is_none(tmp_path, text, says):
    """One line, with the place."""
    file = tmp_path / "x"
    file.write_text(text)
    done = govgate("replay", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"x:1: {says}" in done.stderr


def test_the_report_of_that_log(log):
    """What was refused, by whom, why it was undecided; nobody is exempted for what happened once."""
    done = govgate("audit", "report", "--state-dir", log, "-o", "json")
    made = json.loads(done.stdout)
    totals = made["totals"]
    assert totals["denied"] + totals["undecided"] == totals["byPeople"] + totals["byPrograms"] > 10
    doubts = [group for group in made["groups"] if group["outcome"] == "undecided"]
    assert sum(group["requests"] for group in doubts) == totals["undecided"] > 0
    assert all("cannot look up what is scaled" in group["reason"] for group in doubts)
    assert made["proposals"] == []
    for view in ("table", "markdown", "config"):
        assert govgate("audit", "report", "--state-dir", log, "-o", view).returncode == 0
