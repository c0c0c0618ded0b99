"""`govgate policy list` names every rule that a finding or a doubt can name: none is known to the code alone."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.app import run
from gateway.cli.policy_guards import guard_rules
from gateway.config.model import Config

ROOT = Path(__file__).parents[3]
PACKAGES = ("gateway", "webhooks", "policies", "secrets/gateway_secrets")
_ID = re.compile(r"[a-z][a-z-]*/[a-z][a-z-]*")


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def listed() -> set[str]:
    return {rule.info.id for rule in guard_rules(Config())}


def test_every_id_that_is_written_in_the_code_is_listed() -> None:
    """Whatever is written as one of a category that there is: a rule that is added, and in no table, is found here."""
    known = listed()
    categories = {rule.partition("/")[0] for rule in known}
    assert {
        "break-glass",
        "detect",
        "doctor",
        "drift",
        "provenance",
        "sealed",
        "secrets",
        "sops",
        "waivers",
    } <= categories
    written = {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ID.fullmatch(node.value)
    }
    assert len(written & known) > 20
    assert {one for one in written if one.partition("/")[0] in categories} - known == set()


FROM_TABLES = {
    "gateway/ci/flux_sops.py", "gateway/ci/secret_objects.py", "gateway/ci/sops_files.py", "gateway/doctor/rules.py",
    "gateway/provenance/trust/findings.py", "policies/builtin.py", "secrets/gateway_secrets/admission/rules.py",
    "secrets/gateway_secrets/detect/findings.py", "secrets/gateway_secrets/external/findings.py",
    "secrets/gateway_secrets/sealed/checks.py", "webhooks/artifacts.py", "webhooks/breakglass/afterwards.py",
    "webhooks/breakglass/guard.py", "webhooks/breakglass/told.py", "webhooks/breakglass/using.py",
    "webhooks/drift/message.py", "webhooks/provenance_findings.py", "webhooks/trust_guard.py", "webhooks/waivers.py",
}  # fmt: skip


def test_findings_are_made_in_these_places() -> None:
    """Each takes the severity from a table: what is in none cannot be found. Another place has to, and is named here then."""
    made: dict[str, list[ast.Call]] = {}
    for path, tree in trees():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding"]
        if calls:
            made[path] = calls
    assert set(made) == FROM_TABLES
    for path, calls in made.items():
        text = "\n".join(map(ast.unparse, calls))
        assert not re.search(r"\bSeverity\.", text), f"{path}: a severity that is in no table"


def test_the_list_shows_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the configuration: modes, what is switched off, and the most that a rule does."""
    config = tmp_path / "govgate.yaml"
    config.write_text("drift: {mode: shadow, restart: {people: deny}}\nprovenance: {unmatched: warn}\n")
    assert run(["policy", "list", "--config", str(config), "-o", "json"]) == 0
    actions = {rule["id"]: rule["action"] for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert listed() <= set(actions)
    assert (actions["drift/owned-field"], actions["drift/restarted"]) == ("audit", "audit")
    assert (actions["provenance/unmatched"], actions["provenance/reconciled-digest"]) == ("warn", "audit")
    assert (actions["break-glass/governed"], actions["break-glass/used"]) == ("deny", "warn")
    by_default = {rule.info.id: rule.action for rule in guard_rules(Config())}
    assert (by_default["drift/owned-field"], by_default["drift/restarted"]) == ("deny", "off")
    assert by_default["provenance/unmatched"] == "off"
