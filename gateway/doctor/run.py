"""An examination's report, in the shape that every reporter knows."""

from __future__ import annotations

from gateway.ci.inputs import Problem
from gateway.ci.run import Doubt, Run, Summary
from gateway.core.finding import Action, Finding, Severity
from gateway.core.guard import OnError
from gateway.doctor.examine import Report
from gateway.doctor.rules import INFOS

_WORST_FIRST = {severity: rank for rank, severity in enumerate(Severity)}
_ACTIONS = {action: rank for rank, action in enumerate(Action)}


def run_of(report: Report, rules: str) -> Run:
    """The worst first, what is accepted last. An API server that nobody reaches is a problem: the run fails. ``rules``: the digest of what asked."""
    findings = [one for one in report.results if isinstance(one, Finding)]
    doubts = [one for one in report.results if not isinstance(one, Finding)]
    run = Run(rules, dict(INFOS), OnError.WARN, skipping="", advises=True)
    run.findings = sorted(
        findings,
        key=lambda one: (
            one.exception is not None,
            _ACTIONS[one.action],
            _WORST_FIRST[one.severity],
            one.rule,
            one.message,
        ),
    )
    run.doubts = [Doubt(one.rule, one.reason, one.about) for one in doubts]
    if report.unreachable:
        run.problems = [Problem("cluster", 0, f"the API server was not reached: {report.unreachable}")]
    live = [one for one in findings if one.exception is None]
    run.summary = Summary(
        judged=report.checks,
        denied=sum(one.action is Action.DENY for one in live),
        warned=sum(one.action is Action.WARN for one in live),
        excepted=len(findings) - len(live),
        indeterminate=len(doubts),
        problems=len(run.problems),
    )
    return run
