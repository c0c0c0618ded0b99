"""Fixes that rules state: what is one, and what it does not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config.policy import Policy
from gateway.core.finding import RemoveField, SetField, finding_id
from gateway.core.guard import Judged, OnError
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.embedded import EmbeddedOpa
from policies.loading import load_rules
from policies.rule import Asked
from policies.ruleset import Outcome, RuleSet
from policies.surroundings import Alone
from webhooks.policy import PolicyGuard

pytestmark = pytest.mark.native

RULE = """# METADATA
# scope: package
# title: T
# custom:
#   id: example/t
#   severity: low
#   action: deny
package example.t

import rego.v1

findings contains %s
"""


async def rules(folder: Path, finding: str) -> RuleSet:
    (folder / "rule.rego").write_text(RULE % finding)
    return await load_rules(Policy(sources=(str(folder),)), EmbeddedOpa())


def subject() -> Subject:
    raw = msgspec.json.encode({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}})
    kind = GroupVersionKind("", "v1", "Pod")
    request = {"operation": "CREATE", "kind": kind, "name": "web", "object": msgspec.Raw(raw)}
    return Subject(
        uid="",
        operation="CREATE",
        kind=kind,
        resource=GroupVersionResource(),
        user=UserInfo(),
        namespace="",
        name="web",
        raw_object=raw,
        raw_request=msgspec.json.encode(request),
    )


async def outcome(folder: Path, finding: str) -> Outcome:
    loaded = await rules(folder, finding)
    try:
        return await loaded.judge(Asked(subject()), timeout_seconds=5)
    finally:
        await loaded.close()


@pytest.mark.parametrize(
    ("fix", "means"),
    [
        ('{"op": "remove"}', RemoveField()),
        ('{"op": "remove", "path": "spec.b"}', RemoveField("spec.b")),
        ('{"op": "set", "value": null}', SetField(value=None)),
        ('{"op": "set", "value": {"drop": ["ALL"]}}', SetField(value={"drop": ["ALL"]})),
    ],
)
async def test_a_fix_is_part_of_the_finding(tmp_path: Path, fix: str, means: Any) -> None:
    """The finding has the fix, and the id that it has without."""
    found = await outcome(tmp_path, f'{{"message": "m", "field": "spec.a", "fix": {fix}}}')
    assert not found.undecided
    assert found.findings[0].fix == means
    assert found.findings[0].id == finding_id("example/t", found.findings[0].resource, "spec.a")


@pytest.mark.parametrize(
    "finding",
    [
        '{"message": "m", "field": "a", "fix": "remove"}',
        '{"message": "m", "field": "a", "fix": null}',
        '{"message": "m", "field": "a", "fix": {}}',
        '{"message": "m", "field": "a", "fix": {"op": "delete"}}',
        '{"message": "m", "field": "a", "fix": {"op": "set"}}',
        '{"message": "m", "field": "a", "fix": {"op": "remove", "value": 1}}',
        '{"message": "m", "field": "a", "fix": {"op": "set", "value": 1, "to": 2}}',
        '{"message": "m", "field": "a", "fix": {"op": "remove", "path": 1}}',
        '{"message": "m", "fix": {"op": "remove"}}',
        '{"message": "m", "field": "a", "fix": {"op": "set", "value": concat("", [x | some i in numbers.range(1, 5000); x := "x"])}}',
    ],
)
async def test_what_is_no_fix_makes_the_rule_undecided(tmp_path: Path, finding: str) -> None:
    """A fix that says something else is an error of the rule: never a finding without it, and never a pass."""
    found = await outcome(tmp_path, finding)
    assert not found.findings
    assert "no finding" in found.undecided[0].reason


async def test_a_finding_without_a_fix_says_nothing_of_one(tmp_path: Path) -> None:
    """The JSON of a run has the field only where there is something in it."""
    found = await outcome(tmp_path, '{"message": "m", "field": "a"}')
    assert b'"fix"' not in msgspec.json.encode(found.findings)


async def test_admission_knows_no_fixes(tmp_path: Path) -> None:
    """Nothing that is answered to a request, or recorded of it, has the fix."""
    loaded = await rules(tmp_path, '{"message": "m", "field": "a", "fix": {"op": "remove"}}')
    guard = PolicyGuard(
        [loaded],
        Alone(),
        on_error=OnError.DENY,
        exempt=(),
        timeout_seconds=5,
        max_findings=10,
    )
    try:
        judged = await guard.judge(subject())
    finally:
        await loaded.close()
    assert isinstance(judged, Judged)
    assert len(judged.findings) == 1
    assert b'"fix"' not in msgspec.json.encode(judged.findings)
