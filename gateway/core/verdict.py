"""The sum of what the guards said about one request."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from gateway.core.finding import Action, Finding
from gateway.core.guard import Indeterminate, Judged, OnError, Outcome


class Decision(StrEnum):
    """``undecided`` refuses the request, but is not a denial: a guard could not decide and is set to ``deny``."""

    ALLOW = "allow"
    DENY = "deny"
    UNDECIDED = "undecided"


class Verdict(msgspec.Struct, frozen=True):
    """What is answered, and everything that led to it. ``guards``: which were asked; none: all."""

    decision: Decision
    findings: tuple[Finding, ...]
    indeterminate: tuple[Indeterminate, ...]
    reasons: tuple[str, ...]
    guards: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.decision is Decision.ALLOW


def combine(outcomes: Iterable[Outcome]) -> Verdict:
    """One verdict of all outcomes: any denial denies; else any indeterminate guard set to ``deny`` leaves it undecided.

    A finding with an exception counts for nothing but the record.
    """
    findings: list[Finding] = []
    indeterminate: list[Indeterminate] = []
    reasons: list[str] = []
    for outcome in outcomes:
        reasons.append(f"{outcome.guard}: {outcome.reason}")
        if isinstance(outcome, Judged):
            findings += outcome.findings
        elif isinstance(outcome, Indeterminate):
            findings += outcome.findings
            indeterminate.append(outcome)
    if any(f.action is Action.DENY and f.exception is None for f in findings):
        decision = Decision.DENY
    elif any(i.on_error is OnError.DENY for i in indeterminate):
        decision = Decision.UNDECIDED
    else:
        decision = Decision.ALLOW
    return Verdict(decision, tuple(findings), tuple(indeterminate), tuple(reasons))
