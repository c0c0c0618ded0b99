"""What the rules said about one object, as counts. Pure."""

from __future__ import annotations

import msgspec

from gateway.core.finding import Action, Finding
from policies.ruleset import Outcome

RESULTS = ("fail", "error", "warn", "skip", "pass")
"""What one rule may be about one object, as reports call it, the gravest first."""


class Counts(msgspec.Struct):
    """``judged`` to ``excepted``: objects, as in the summary of ``check``. The others: pairs of an object and a rule."""

    judged: int = 0
    denied: int = 0
    warned: int = 0
    indeterminate: int = 0
    excepted: int = 0
    passed: int = 0
    failed: int = 0
    warnings: int = 0
    errors: int = 0
    skipped: int = 0

    def add(self, other: Counts) -> None:
        """Count these too."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def result_of(finding: Finding) -> str:
    """A finding that denies fails; one that warns or is recorded only warns; one that is waived is skipped."""
    if finding.exception is not None:
        return "skip"
    return "fail" if finding.action is Action.DENY else "warn"


def tally(outcome: Outcome) -> Counts:
    """The counts of one object. A rule is counted once, by the gravest that it says; what is undecided never passes."""
    said: dict[str, set[str]] = {}
    for finding in outcome.findings:
        said.setdefault(finding.rule, set()).add(result_of(finding))
    for undecided in outcome.undecided:
        said.setdefault(undecided.rule, set()).add("error")
    results = [next(result for result in RESULTS if result in several) for several in said.values()]
    live = [finding for finding in outcome.findings if finding.exception is None]
    return Counts(
        judged=1,
        denied=int(any(finding.action is Action.DENY for finding in live)),
        warned=int(any(finding.action is Action.WARN for finding in live)),
        indeterminate=int(bool(outcome.undecided)),
        excepted=int(len(live) < len(outcome.findings)),
        passed=max(0, outcome.judged - len(said)),
        failed=results.count("fail"),
        warnings=results.count("warn"),
        errors=results.count("error"),
        skipped=results.count("skip"),
    )
