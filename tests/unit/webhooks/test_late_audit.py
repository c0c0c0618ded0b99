"""Rules asked after the answer: what waits is bounded, what is found is recorded, and nothing is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from support.kyverno import asked, pod

from gateway.core.errors import UndecidedError
from gateway.core.finding import Action, Severity
from gateway.core.subject import Subject
from policies.builtin import finding, resource_of
from policies.engine import Answer
from policies.rule import Asked, RuleInfo
from policies.ruleset import Outcome, RuleSet, Undecided
from policies.settings import Settings
from policies.surroundings import ADMISSION
from webhooks.late import LATE, MAX_WAITING, LateAudit

INFO = RuleInfo("late/rule", "T", Severity.HIGH, Action.DENY)


class NoRules:
    """An engine without rules."""

    async def ask(self, *_: Any, **__: Any) -> list[Answer]:
        return []

    async def ask_all(self, *_: Any, **__: Any) -> list[list[Answer]]:
        return []

    def references(self, query: int) -> frozenset[str] | None:
        return None

    async def put_data(self, path: Sequence[str], value: Any) -> None:
        return None

    def overrunning(self) -> int:
        return 0

    async def close(self) -> None:
        return None


class Slow:
    """Late rules that find something about Pods called ``bad``, cannot decide about ``odd``, and fail about ``fail``."""

    infos = (INFO,)
    digest = "d"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.called = asyncio.Event()
        self.calls: list[int] = []

    def concerns(self, asked: Asked) -> bool:
        return asked.subject.kind.kind == "Pod"

    async def judge_all(self, many: Sequence[Asked]) -> list[Outcome]:
        await self.go.wait()
        self.calls.append(len(many))
        self.called.set()
        if any(one.subject.name == "fail" for one in many):
            raise UndecidedError("nobody there")
        return [self._one(one) for one in many]

    def _one(self, one: Asked) -> Outcome:
        if one.subject.name == "bad":
            return Outcome((finding(INFO, resource_of(one), "", "no"),), judged=1)
        doubts = (Undecided(INFO.id, "why"),) if one.subject.name == "odd" else ()
        return Outcome(undecided=doubts, judged=1)


class Log:
    """Where records go."""

    def __init__(self) -> None:
        self.records: list[tuple[str, Mapping[str, Any]]] = []
        self.some = asyncio.Event()

    async def tell(self, kind: str, detail: Mapping[str, Any]) -> None:
        self.records.append((kind, detail))
        self.some.set()


@pytest.fixture
async def slow() -> Slow:
    return Slow()


@pytest.fixture
async def late(slow: Slow) -> AsyncIterator[LateAudit]:
    rules = RuleSet((), NoRules(), Settings([], ()), "sha256:x", late=slow)
    audit = LateAudit(rules, ADMISSION, exempt=("kube-*",), gather_seconds=0.01)
    yield audit
    await audit.close()


def subject(name: str, namespace: str = "web", kind: str = "Pod") -> Subject:
    return asked(pod(name, namespace) | {"kind": kind}).subject


async def test_what_is_found_is_recorded_and_enforced_nowhere(slow: Slow, late: LateAudit) -> None:
    """A record a request that something was found about, with its uid; none for those that are fine."""
    slow.go.set()
    log = Log()
    for name in ("fine", "bad", "odd"):
        assert late.offer(subject(name), log.tell)
    async with asyncio.timeout(5):
        while len(log.records) < 2:
            log.some.clear()
            await log.some.wait()
    (kind, bad), (_, odd) = log.records
    assert kind == LATE
    assert (bad["uid"], bad["name"], bad["rules"], bad["indeterminate"]) == ("u", "bad", "sha256:x", [])
    assert bad["findings"][0]["action"] == "audit"
    assert bad["findings"][0]["message"] == "no (would deny; not enforced: judged after the answer)"
    assert odd["indeterminate"] == [{"rule": "late/rule", "reason": "why"}]
    assert slow.calls == [3]


async def test_what_does_not_fit_is_told_at_once(slow: Slow, late: LateAudit) -> None:
    """While the rules take their time, so many wait and no more; none is waited for."""
    log = Log()
    taken = [late.offer(subject(f"p{index}"), log.tell) for index in range(MAX_WAITING + 3)]
    assert taken == [True] * MAX_WAITING + [False] * 3


async def test_what_concerns_nobody_takes_no_room(late: LateAudit) -> None:
    """Exempt namespaces, and kinds that no rule is about."""
    log = Log()
    for _ in range(MAX_WAITING + 1):
        assert late.offer(subject("a", "kube-system"), log.tell)
        assert late.offer(subject("a", kind="Service"), log.tell)
    assert late.offer(subject("a"), log.tell)


async def test_rules_that_fail_once_are_asked_again(slow: Slow, late: LateAudit) -> None:
    """The task goes on after an error."""
    slow.go.set()
    log = Log()
    late.offer(subject("fail"), log.tell)
    async with asyncio.timeout(5):
        await slow.called.wait()
        late.offer(subject("bad"), log.tell)
        await log.some.wait()
    assert slow.calls == [1, 1]
