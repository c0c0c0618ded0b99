"""SARIF 2.1.0, for code scanning. Source: docs.oasis-open.org/sarif/sarif/v2.1.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from gateway import __version__
from gateway.ci.fix.suggest import Replacement
from gateway.ci.report.words import address, address_of, resource
from gateway.ci.run import Run
from gateway.core.finding import Action, Finding, Location, Severity
from policies.rule import RuleInfo

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Action.DENY: "error", Action.WARN: "warning", Action.AUDIT: "note"}
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}


def report(run: Run) -> str:
    """One SARIF log with one run."""
    rules = sorted({finding.rule for finding in run.findings})
    driver = {
        "name": "govgate",
        "version": __version__,
        "rules": [_rule(rule, run.infos.get(rule)) for rule in rules],
    }
    notes = [
        _notification(f"{d.resource}: {d.rule}: {d.reason}", "warning", address(d.location, *d.resource.split()))
        for d in run.doubts
    ]
    notes += [_notification(p.message, "error", Location(p.path, max(p.line, 1))) for p in run.problems]
    one = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not run.problems, "toolExecutionNotifications": notes}],
        "results": [_result(finding, rules.index(finding.rule), run) for finding in run.findings],
        "properties": {"rulesDigest": run.rules},
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [one]}
    return msgspec.json.format(msgspec.json.encode(log)).decode() + "\n"


def _rule(rule: str, info: RuleInfo | None) -> dict[str, Any]:
    if info is None:
        return {"id": rule}
    found: dict[str, Any] = {
        "id": rule,
        "name": rule.rpartition("/")[2].title().replace("-", ""),
        "shortDescription": {"text": info.title},
        "fullDescription": {"text": info.description or info.title},
        "defaultConfiguration": {"level": _LEVELS[info.action]},
        "properties": {"security-severity": _SCORES[info.severity], "tags": ["security", *info.sets]},
    }
    if info.links:
        found["helpUri"] = info.links[0]
    return found


def _result(finding: Finding, index: int, run: Run) -> dict[str, Any]:
    name = resource(finding.resource)
    logical = {
        "name": finding.resource.name,
        "fullyQualifiedName": f"{name} {finding.field}".strip(),
        "kind": "resource",
    }
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.action],
        "message": {"text": f"{name}: {finding.message}" + (f" ({finding.remedy})" if finding.remedy else "")},
        "locations": [{**_at(address_of(finding)), "logicalLocations": [logical]}],
        "partialFingerprints": {"govgate/v1": finding.id},
    }
    if finding.exception:
        result["suppressions"] = [{"kind": "external", "justification": finding.exception}]
    path = finding.location.path if finding.location is not None else ""
    replacements = run.suggestions.get((finding.id, path), ())
    if replacements and not finding.exception:
        result["fixes"] = [_fix(finding, path, replacements)]
    return result


def _fix(finding: Finding, path: str, replacements: Sequence[Replacement]) -> dict[str, Any]:
    """What the rule says that puts it right; source: §3.55 to §3.57."""
    change = {"artifactLocation": {"uri": _uri(path)}, "replacements": [_replacement(one) for one in replacements]}
    return {"description": {"text": f"govgate check --fix: {finding.field}"}, "artifactChanges": [change]}


def _replacement(one: Replacement) -> dict[str, Any]:
    region = {"startLine": one.line, "startColumn": one.column, "endLine": one.end_line, "endColumn": one.end_column}
    return {"deletedRegion": region, **({"insertedContent": {"text": one.text}} if one.text else {})}


def _uri(path: str) -> str:
    return quote(path.removeprefix("./"))


def _at(location: Location) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(location.path)}, "region": {"startLine": location.line}}
    }


def _notification(text: str, level: str, location: Location) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}, "locations": [_at(location)]}
