"""The policy guard: one request against the rules in force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from gateway.core.finding import Finding
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Subject
from policies.builtin import GUARD
from policies.rule import NAMESPACE, Asked
from policies.ruleset import Outcome as Found
from policies.ruleset import Undecided
from policies.surroundings import Surroundings, surrounded

_MAX_NAMED = 5


Waive = Callable[[Sequence[Finding]], list[Finding]]


def exempted(namespace: str, patterns: Sequence[str]) -> bool:
    """Whether a namespace is one of those (globs) whose objects are not judged."""
    return bool(namespace) and any(fnmatchcase(namespace, pattern) for pattern in patterns)


class Judging(Protocol):
    """Rules in force, which may be others at the next request."""

    async def judge(self, asked: Asked, *, timeout_seconds: float) -> Found:
        """Judge one request by every rule that concerns it."""
        ...


class PolicyGuard:
    """Judges requests by all rules in force. ``exempt``: globs of namespaces that are not judged. ``waive``: marks the
    findings that are accepted.
    """

    name = GUARD

    def __init__(
        self,
        rules: Sequence[Judging],
        surroundings: Surroundings,
        *,
        on_error: OnError,
        exempt: Sequence[str],
        timeout_seconds: float,
        max_findings: int,
        waive: Waive = list,
    ) -> None:
        self._rules = tuple(rules)
        self._surroundings = surroundings
        self._on_error = on_error
        self._exempt = tuple(exempt)
        self._timeout_seconds = timeout_seconds
        self._max_findings = max_findings
        self._waive = waive

    def concerns(self, subject: Subject) -> bool:  # noqa: ARG002 - the protocol's
        """Every request: what decides is in the objects."""
        return True

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured, whatever the request."""
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request by every rule that concerns it."""
        if exempted(subject.governing_namespace, self._exempt):
            return NotApplicable(self.name, "exempt namespace")
        asked = await self._asked(subject)
        outcome = Found()
        for rules in self._rules:
            more = await rules.judge(asked, timeout_seconds=self._timeout_seconds)
            outcome = outcome.joined(findings=more.findings, undecided=more.undecided, judged=more.judged)
        if not outcome.judged:
            return NotApplicable(self.name, "no rule concerns it")
        listed = self._waive(outcome.findings)[: self._max_findings]
        findings = tuple(msgspec.structs.replace(one, fix=msgspec.UNSET) if one.fix else one for one in listed)
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
