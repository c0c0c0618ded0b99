"""Verdicts about requests as a run, so that what reports manifests reports recorded reviews as well."""

from __future__ import annotations

from gateway.ci.run import Doubt, Run
from gateway.core.finding import Action
from gateway.core.guard import OnError
from gateway.core.subject import Subject
from gateway.core.verdict import Verdict

_WORST = (OnError.DENY, OnError.WARN, OnError.ALLOW)


def no_verdicts(rules: str) -> Run:
    """A run before the first. ``rules``: the digest of everything that decides."""
    return Run(rules, {}, OnError.ALLOW)


def add_verdict(run: Run, subject: Subject, verdict: Verdict) -> None:
    """Add what was said about one request. What a doubt of the run does is the worst that any does."""
    live = [finding for finding in verdict.findings if finding.exception is None]
    where = f"{subject.object_namespace}/{subject.name}" if subject.object_namespace else subject.name
    about = f"{subject.kind.kind} {where}"
    run.findings += verdict.findings
    run.doubts += [Doubt(undecided.guard, undecided.reason, about) for undecided in verdict.indeterminate]
    run.on_error = min((run.on_error, *(undecided.on_error for undecided in verdict.indeterminate)), key=_WORST.index)
    counts = run.summary
    counts.judged += 1
    counts.denied += any(finding.action is Action.DENY for finding in live)
    counts.warned += any(finding.action is Action.WARN for finding in live)
    counts.indeterminate += bool(verdict.indeterminate)
    counts.excepted += len(live) < len(verdict.findings)
