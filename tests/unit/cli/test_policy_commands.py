"""``govgate policy``: what its commands print and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway_secrets.external.faults import RULES

RULE = """# METADATA
# scope: package
# title: Limited
# custom:
#   id: example/limited
#   severity: low
#   action: deny
#   parameters:
#     properties:
#       most: {type: integer, default: 3, description: How many.}
package example.limited

import rego.v1

findings contains {"message": "too many"} if count(input.review.object.data) > input.parameters.most
"""
TEST = """package example.limited_test

import rego.v1

import data.example.limited

test_few if count(limited.findings) == 0 with input as {"review": {"object": {"data": []}}, "parameters": {"most": 1}}

test_many if count(limited.findings) == 1 with input as {"review": {"object": {"data": [1, 2]}}, "parameters": {"most": 1}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "limited.rego").write_text(RULE)
    (folder / "limited_test.rego").write_text(TEST)
    return folder


def test_list(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a rule; JSON holds all that is known of each."""
    assert run(["policy", "list", "--policies", str(rules)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["example/limited", "low", "deny", "Limited"]
    assert run(["policy", "list", "--policies", str(rules), "-o", "json"]) == 0
    (rule,) = json.loads(capsys.readouterr().out)["rules"]
    assert rule["parameters"] == {"most": {"value": 3, "from": "default of the rule"}}


def test_show_says_where_a_parameter_comes_from(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The value in force, and the file that sets it."""
    config = tmp_path / "config.yaml"
    config.write_text("policy: {rules: [{rules: ['example/*'], action: warn, parameters: {most: 9}}]}")
    command = ["policy", "show", "example/limited", "--policies", str(rules), "--config", str(config)]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert f"parameter   most = 9 ({config})" in out
    assert "action      warn" in out
    assert run(["policy", "show", "example/none", "--policies", str(rules)]) == 64


@pytest.mark.native
def test_tests_of_rules(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when all pass and enough is covered, 3 when not; no tests at all is no success."""
    assert run(["policy", "test", str(rules), "--threshold", "100"]) == 0
    (rules / "more.rego").write_text("package more\n\nx := 1 if input.y\n")
    assert run(["policy", "test", str(rules), "--threshold", "100"]) == 3
    assert "more.rego: not covered: 3" in capsys.readouterr().out
    (rules / "bad_test.rego").write_text("package bad_test\n\ntest_no if 1 == 2\n")
    assert run(["policy", "test", str(rules)]) == 3
    out, err = capsys.readouterr()
    assert "bad_test.rego:3: failed: data.bad_test.test_no" in out
    assert err.splitlines()[-1] == "2 passed, 1 failed, 0 skipped"
    assert run(["policy", "test", str(rules), "--run", "test_few"]) == 0
    assert run(["policy", "test", str(rules), "--run", "test_none"]) == 1


@pytest.mark.native
@pytest.mark.parametrize(
    ("query", "code", "shown"),
    [
        ("1 + input.x", 0, "42"),
        ("data.nothing", 1, "undefined"),
        ("1 +", 1, "query 1:1"),
        ("http.send({})", 1, "reach no host"),
    ],
)
def test_eval(tmp_path: Path, capsys: pytest.CaptureFixture[str], query: str, code: int, shown: str) -> None:
    """A value on standard output; anything else is an error that says what."""
    (tmp_path / "input.json").write_text('{"x": 41}')
    assert run(["policy", "eval", query, "--input", str(tmp_path / "input.json")]) == code
    out, err = capsys.readouterr()
    assert shown in (out if code == 0 else err)


def test_rules_of_the_secrets_guard_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every one that a finding may name, with what it does by the configuration; not among those of one source."""
    config = tmp_path / "config.yaml"
    config.write_text("secrets: {external: warn, sops: 'off', plain: {demands: [{action: audit}]}}")
    assert run(["policy", "list", "--config", str(config), "-o", "json"]) == 0
    actions = {rule["id"]: rule["action"] for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert {f"external-secrets/{name}" for name in RULES} <= actions.keys()
    assert actions["external-secrets/no-source"] == actions["external-secrets/find-all"] == "warn"
    assert actions["secrets/plain-secret"] == "audit"
    assert actions["secrets/sealed-elsewhere"] == "deny"
    assert actions["secrets/foreign-target"] == actions["sops/flux-recipients"] == "off"
    assert run(["policy", "show", "external-secrets/unknown-field"]) == 0
    assert "ExternalSecret" in capsys.readouterr().out
    assert run(["policy", "list", "--policies", "builtin:secrets", "-o", "json"]) == 0
    assert "external-secrets/" not in capsys.readouterr().out
