"""GitLab's code quality report. Source: docs.gitlab.com, code quality report format."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.ci.report.words import address, address_of, live, resource
from gateway.ci.run import Run
from gateway.core.finding import Finding, Location, Severity

_SEVERITIES = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.INFO: "info",
}


def report(run: Run) -> str:
    """A JSON list; what could not be read or decided is in it too."""
    issues = [_issue(finding) for finding in live(run)]
    for doubt in run.doubts:
        text = f"{doubt.resource}: undecided: {doubt.reason}"
        issues.append(
            _entry(
                doubt.rule,
                text,
                "major",
                address(doubt.location, *doubt.resource.split()),
                f"undecided {doubt.rule} {text}",
            )
        )
    for problem in run.problems:
        at = Location(problem.path, max(problem.line, 1))
        issues.append(_entry("input", problem.message, "blocker", at, str(problem)))
    return msgspec.json.format(msgspec.json.encode(issues)).decode() + "\n"


def _issue(finding: Finding) -> dict[str, Any]:
    text = f"{resource(finding.resource)} {finding.field}: {finding.message}"
    return _entry(finding.rule, text, _SEVERITIES[finding.severity], address_of(finding), finding.id)


def _entry(rule: str, text: str, severity: str, at: Location, fingerprint: str) -> dict[str, Any]:
    return {
        "description": text,
        "check_name": rule,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": at.path.removeprefix("./"), "lines": {"begin": at.line}},
    }
