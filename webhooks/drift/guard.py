"""The guard around the decision: gathers what it needs, and states the decision as an outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.core.finding import Finding
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Json, Subject
from webhooks.drift.decide import Decided, decide
from webhooks.drift.exempt import acts
from webhooks.drift.facts import Facts
from webhooks.drift.message import findings
from webhooks.drift.ownership import Policy

Lookup = Callable[[Subject], Awaitable[Json | None]]
"""Finds what a ``/scale`` request scales; None where there is no cluster to ask.

Raises:
    UndecidedError: the cluster could not answer.
"""


class DriftGuard:
    """Rejects out-of-band changes of objects that a reconciler manages."""

    name = "drift"

    def __init__(self, policy: Policy, facts: Facts, lookup: Lookup, *, max_findings: int) -> None:
        self.on_error: OnError = policy.config.on_error
        self._policy = policy
        self._facts = facts
        self._lookup = lookup
        self._max_findings = max_findings

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request; see :func:`webhooks.drift.decide.decide`.

        Raises:
            UndecidedError: the request cannot be judged.
        """
        parent = None
        if subject.subresource == "scale" and not acts(self._policy.config.autoscalers, subject.user):
            parent = await self._lookup(subject)
        decided = decide(subject, self._facts, self._policy, parent=parent)
        if not decided.applicable:
            return NotApplicable(self.name, decided.reason)
        found = self._findings(subject, decided) if decided.drifted else ()
        if decided.undecided:
            return Indeterminate(self.name, decided.undecided, self.on_error, found)
        return Judged(self.name, decided.reason, found)

    def _findings(self, subject: Subject, decided: Decided) -> tuple[Finding, ...]:
        kind = decided.kind or subject.kind
        return findings(self.name, subject.about_kind(kind), decided.drifted, limit=self._max_findings)
