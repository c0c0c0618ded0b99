"""Rules that are too slow for a request that waits, asked afterwards: what they say is recorded, and changes nothing.

A request is put aside when it was answered; the queue is bounded, and what does not fit is counted, never waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.finding import Finding
from gateway.core.subject import Subject
from policies.rule import Asked
from policies.ruleset import Outcome, RuleSet
from policies.surroundings import Surroundings, surrounded
from webhooks.judge import audited
from webhooks.policy import exempted

LATE = "late"
"""The type of the records."""
MAX_WAITING = 512
MAX_BYTES = 32 * 1024 * 1024
BATCH = 100
GATHER_SECONDS = 1.0
"""Requests that come together are judged together: a call of Kyverno costs most of a second whatever is in it."""
_SAID_SECONDS = 60.0
_WHY = "judged after the answer"

Tell = Callable[[str, Mapping[str, Any]], Awaitable[None]]
_log = logging.getLogger(__name__)


class LateAudit:
    """Asks the late rules of a rule set about requests that were answered."""

    def __init__(
        self,
        rules: RuleSet,
        surroundings: Surroundings,
        *,
        exempt: Sequence[str],
        waive: Callable[[Sequence[Finding]], list[Finding]] = list,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._rules = rules
        self._surroundings = surroundings
        self._exempt = tuple(exempt)
        self._waive = waive
        self._gather_seconds = gather_seconds
        self._waiting: deque[tuple[Asked, Tell]] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._said = float("-inf")

    def checks(self) -> dict[str, bool | str]:
        """None: answers do not depend on it."""
        return {}

    def offer(self, subject: Subject, tell: Tell) -> bool:
        """Take a request that was answered; ``tell`` records what is found. False: there is no room, it is lost."""
        if exempted(subject.governing_namespace, self._exempt):
            return True
        asked = surrounded(subject, self._surroundings)
        if not self._rules.late(asked):
            return True
        size = len(subject.raw_review) or len(subject.raw_object)
        if len(self._waiting) >= MAX_WAITING or self._bytes + size > MAX_BYTES:
            self._complain(len(self._waiting))
            return False
        self._waiting.append((asked, tell))
        self._bytes += size
        self._some.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return True

    async def close(self) -> None:
        """Stop; what still waits is lost, and the log says so."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting:
            _log.warning("late rules were not asked", extra={"fields": {"requests": len(self._waiting)}})

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(self._gather_seconds)
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._bytes -= sum(len(asked.subject.raw_review) or len(asked.subject.raw_object) for asked, _ in batch)
            if not self._waiting:
                self._some.clear()
            try:
                outcomes = await self._rules.judge_late([asked for asked, _ in batch])
                for (asked, tell), outcome in zip(batch, outcomes, strict=True):
                    if outcome.findings or outcome.undecided:
                        await tell(LATE, self._record(asked.subject, outcome))
            except (GovgateError, OSError) as error:
                _log.warning("late rules could not be asked", extra={"fields": {"problem": str(error)}})

    def _record(self, subject: Subject, outcome: Outcome) -> dict[str, Any]:
        waived = self._waive(outcome.findings)
        findings = [finding if finding.exception else audited(finding, _WHY) for finding in waived]
        return {
            "uid": subject.uid,
            "operation": subject.operation,
            "kind": subject.kind.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "dryRun": subject.dry_run,
            "rules": self._rules.digest,
            "findings": msgspec.to_builtins(findings),
            "indeterminate": [{"rule": one.rule, "reason": one.reason} for one in outcome.undecided],
        }

    def _complain(self, waiting: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said >= _SAID_SECONDS:
            self._said = now
            _log.warning("late rules have no room for more requests", extra={"fields": {"waiting": waiting}})
