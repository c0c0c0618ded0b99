"""For people: a line a finding, with the file and line first, as editors and grep know it."""

from __future__ import annotations

from itertools import groupby

from gateway.ci.report.words import placed, printable, resource
from gateway.ci.run import Run
from gateway.core.finding import Finding


def report(run: Run) -> str:
    """The findings, then what could not be decided. Problems and totals go to standard error, not here.

    What to do stands once below those that say the same, where the run advises.
    """
    lines: list[str] = []
    for remedy, findings in groupby(run.findings, key=lambda one: one.remedy if one.exception is None else ""):
        lines += map(_line, findings)
        lines += [f"    what to do: {remedy}"] if run.advises and remedy else []
    lines += [placed(d.location, f"undecided: {d.resource}: {d.reason} [{d.rule}]") for d in run.doubts]
    return "".join(printable(line) + "\n" for line in lines)


def _line(finding: Finding) -> str:
    action = f"excepted by {finding.exception}" if finding.exception else finding.action.value
    field = f" {finding.field}" if finding.field else ""
    text = f"{action}: {resource(finding.resource)}{field}: {finding.message} [{finding.rule}, {finding.id}]"
    return placed(finding.location, text)
