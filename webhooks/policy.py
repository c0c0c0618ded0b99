"""The policy guard: one request against the rules in force."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Subject
from policies.builtin import GUARD
from policies.rule import NAMESPACE, Asked
from policies.ruleset import RuleSet, Undecided
from policies.surroundings import Surroundings, surrounded

_MAX_NAMED = 5


class PolicyGuard:
    """Judges requests by the rules in force. ``exempt``: globs of namespaces that are not judged."""

    name = GUARD

    def __init__(
        self,
        rules: RuleSet,
        surroundings: Surroundings,
        *,
        on_error: OnError,
        exempt: Sequence[str],
        timeout_seconds: float,
        max_findings: int,
    ) -> None:
        self._rules = rules
        self._surroundings = surroundings
        self._on_error = on_error
        self._exempt = tuple(exempt)
        self._timeout_seconds = timeout_seconds
        self._max_findings = max_findings

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured, whatever the request."""
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request by every rule that concerns it."""
        namespace = subject.governing_namespace
        if namespace and any(fnmatchcase(namespace, pattern) for pattern in self._exempt):
            return NotApplicable(self.name, "exempt namespace")
        outcome = await self._rules.judge(await self._asked(subject), timeout_seconds=self._timeout_seconds)
        if not outcome.judged:
            return NotApplicable(self.name, "no rule concerns it")
        findings = outcome.findings[: self._max_findings]
        if outcome.undecided:
            return Indeterminate(self.name, _undecided(outcome.undecided), self._on_error, findings)
        left_out = len(outcome.findings) - len(findings)
        reason = f"{outcome.judged} rules, {len(outcome.findings)} findings"
        return Judged(self.name, f"{reason} ({left_out} are not listed)" if left_out else reason, findings)

    async def _asked(self, subject: Subject) -> Asked:
        asked = surrounded(subject, self._surroundings)
        if NAMESPACE not in asked.known:
            namespace = await self._surroundings.look(subject.object_namespace)
            if namespace is not None:
                return Asked(subject, namespace, asked.known | {NAMESPACE})
        return asked


def _undecided(undecided: Sequence[Undecided]) -> str:
    named = "; ".join(f"{one.rule}: {one.reason}" for one in undecided[:_MAX_NAMED])
    more = len(undecided) - _MAX_NAMED
    return f"{named}; and {more} more" if more > 0 else named
