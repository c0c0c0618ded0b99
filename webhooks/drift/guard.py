"""The guard around the decision: gathers what it needs, and states the decision as an outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from gateway.core.finding import Action, Finding
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Json, Subject
from webhooks.drift.decide import Decided, decide
from webhooks.drift.exempt import acts
from webhooks.drift.facts import Facts, Opened, nothing_opened
from webhooks.drift.message import findings
from webhooks.drift.ownership import Policy
from webhooks.drift.weigh import ACTIONS

Lookup = Callable[[Subject], Awaitable[Json | None]]
"""Finds what a ``/scale`` request scales; None where there is no cluster to ask.

Raises:
    UndecidedError: the cluster could not answer.
"""

Clock = Callable[[], datetime]
"""The present, with a time zone."""


def now_utc() -> datetime:
    """The present."""
    return datetime.now(UTC)


class DriftGuard:
    """Rejects out-of-band changes of objects that a reconciler manages."""

    name = "drift"

    def __init__(
        self,
        policy: Policy,
        facts: Facts,
        lookup: Lookup,
        *,
        max_findings: int,
        opened: Opened = nothing_opened,
        clock: Clock | None = None,
    ) -> None:
        self._policy = policy
        self._opened = opened
        self._facts = facts
        self._lookup = lookup
        self._max_findings = max_findings
        self._clock = clock or now_utc

    @property
    def managers(self) -> frozenset[str]:
        """The field managers of all reconcilers."""
        return frozenset(name for one in self._policy.reconcilers.values() for name in one.managers)

    def concerns(self, subject: Subject) -> bool:  # noqa: ARG002 - the protocol's
        """Every request: what decides is in the objects."""
        return True

    def on_error(self, subject: Subject) -> OnError:
        """As configured where the guard enforces; where it only warns or records, no doubt refuses a request either."""
        return self._fallback(ACTIONS.get(self._policy.strictest(subject, self._clock()), Action.AUDIT))

    def held_back(self, subject: Subject) -> OnError | None:
        """What is configured, where the mode in force only warns or records."""
        held = self._policy.strictest(subject, self._clock()) in {"warn", "shadow"}
        return self._policy.config.on_error if held else None

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request; see :func:`webhooks.drift.decide.decide`.

        Raises:
            UndecidedError: the request cannot be judged.
        """
        parent = None
        if subject.subresource == "scale" and not self._needs_no_parent(subject):
            parent = await self._lookup(subject)
        now = self._clock()
        decided = decide(subject, self._facts, self._policy, now=now, parent=parent, opened=self._opened)
        if not decided.applicable:
            return NotApplicable(self.name, decided.reason)
        found = self._findings(subject, decided) if decided.drifted else ()
        if decided.undecided:
            on_error = self._fallback(decided.doubt)
            would = self._policy.config.on_error if decided.held_back and decided.doubt is not Action.DENY else None
            return Indeterminate(self.name, decided.undecided, on_error, found, would)
        left_out = len(decided.drifted) - len(found)
        reason = f"{decided.reason} ({left_out} more findings are not listed)" if left_out else decided.reason
        return Judged(self.name, reason, found)

    def _fallback(self, doubt: Action) -> OnError:
        """What becomes of a request about which there is a doubt that would, at worst, do this."""
        configured = self._policy.config.on_error
        if doubt is Action.DENY or configured is OnError.ALLOW:
            return configured
        return OnError.WARN if doubt is Action.WARN else OnError.ALLOW

    def _needs_no_parent(self, subject: Subject) -> bool:
        policy = self._policy
        return acts(policy.config.autoscalers, subject.user) or policy.strictest(subject, self._clock()) == "disabled"

    def _findings(self, subject: Subject, decided: Decided) -> tuple[Finding, ...]:
        kind = decided.kind or subject.kind
        return findings(self.name, subject.about_kind(kind), decided.drifted, limit=self._max_findings)
