"""Objects judged by Kyverno's command line, many a call."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec

from gateway.core.errors import MalformedRequestError, UndecidedError
from gateway.core.subject import Json, Subject
from policies.kyverno.batches import Batch, batches, object_of
from policies.kyverno.command import Bounds, CallError, Done, run
from policies.kyverno.kinds import CLUSTER_SCOPED
from policies.kyverno.needs import OPERATION
from policies.kyverno.policy import KyvernoPolicies, KyvernoRule
from policies.kyverno.reading import Readings
from policies.kyverno.report import ReportError, Result, read_results
from policies.kyverno.workspace import workspace, write_context, write_exceptions, write_objects, write_policies
from policies.rule import NAMESPACE, USER, Asked, RuleInfo
from policies.ruleset import Outcome, Undecided

APPLY = ("apply", "--remove-color", "--policy-report", "--output-format", "json", "--output", "/dev/null")
_OPERATIONS = frozenset(("CREATE", "UPDATE"))
_MAX_CALLS = 24
"""For one batch: what makes a call fail is looked for by halves, but not for ever."""


class Kyverno:
    """Kyverno's policies in force."""

    def __init__(self, policies: KyvernoPolicies, program: str, version: str, bounds: Bounds) -> None:
        self.policies = policies
        self._program = program
        self._bounds = bounds
        self._readings = Readings(policies)
        self._shown = [policy for policy in policies.policies if not policy.withheld]
        self._users = any(USER in rule.needs for policy in self._shown for rule in policy.rules)
        self._compiled = sum(policy.cel for policy in self._shown)
        self._turn = asyncio.Semaphore(1)
        material = [version, [policy.document for policy in policies.policies], policies.exceptions]
        self.digest = hashlib.sha256(msgspec.json.encode(material, order="deterministic")).hexdigest()

    @property
    def infos(self) -> tuple[RuleInfo, ...]:
        """Its rules."""
        return tuple(rule.info for rule in self.policies.rules)

    def concerns(self, asked: Asked) -> bool:
        """Whether any rule may be about the request: by operation, kind and namespace."""
        subject = asked.subject
        if subject.operation not in _OPERATIONS or subject.subresource or not subject.raw_object:
            return False
        return any(policy.concerned(subject) for policy in self.policies.policies)

    def about(self, subject: Subject) -> bool:
        """Whether any rule may be about objects of this type, wherever they are."""
        return any(policy.about(subject) for policy in self.policies.policies)

    async def judge_all(self, many: Sequence[Asked]) -> list[Outcome]:
        """Judge requests; what cannot be judged is undecided, by each rule that it may concern."""
        outcomes = [Outcome() for _ in many]
        plans: dict[int, dict[str, str]] = {}
        live: list[tuple[int, Asked]] = []
        for index, asked in enumerate(many):
            if not self.concerns(asked):
                continue
            plans[index], asks = self._plan(asked)
            undecided = tuple(Undecided(rule, reason) for rule, reason in plans[index].items())
            outcomes[index] = Outcome(undecided=undecided, judged=len(undecided))
            if asks:
                live.append((index, asked))
        for batch in batches(live, users=self._users, compiled=self._compiled):
            async with self._turn:
                await self._judge(batch, many, plans, outcomes)
        return outcomes

    def _plan(self, asked: Asked) -> tuple[dict[str, str], bool]:
        """Rules that cannot be told about it, with the reason; and whether there are others."""
        subject, untold, asks = asked.subject, dict[str, str](), False
        problem = _unreadable(asked)
        for policy in self.policies.policies:
            for rule in policy.concerned(subject):
                reason = problem or (rule.unjudged and f"Kyverno {rule.unjudged}") or policy.unseen(rule, subject)
                reason = reason or _unknown(rule, asked)
                if reason:
                    untold[rule.info.id] = reason
                asks = asks or not reason
        return untold, asks

    async def _judge(
        self, batch: Batch, many: Sequence[Asked], plans: dict[int, dict[str, str]], outcomes: list[Outcome]
    ) -> None:
        calls = _Calls(_MAX_CALLS)
        answers = await self._ask(batch, self.policies.exceptions, calls)
        touched = [
            place
            for place, results in enumerate(answers)
            if not isinstance(results, str) and any(result.exceptions for result in results)
        ]
        bare: dict[int, list[Result] | str] = {}
        if touched:
            without = await self._ask(batch.part(touched), (), calls)
            bare = dict(zip(touched, without, strict=True))
        for place, (position, results) in enumerate(zip(batch.positions, answers, strict=True)):
            asked, plan, second = many[position], plans[position], bare.get(place, [])
            problem = results if isinstance(results, str) else second if isinstance(second, str) else ""
            if isinstance(results, str) or isinstance(second, str):
                more = self._failed(asked, plan, problem)
            else:
                more = self._readings.outcome(asked, plan, results, second)
            outcomes[position] = outcomes[position].joined(
                findings=more.findings, undecided=more.undecided, judged=more.judged
            )

    def _failed(self, asked: Asked, plan: dict[str, str], problem: str) -> Outcome:
        rules = [rule.info.id for policy in self.policies.policies for rule in policy.concerned(asked.subject)]
        doubts = tuple(Undecided(rule, problem) for rule in rules if rule not in plan)
        return Outcome(undecided=doubts, judged=len(doubts))

    async def _ask(self, batch: Batch, exceptions: Sequence[Json], calls: _Calls) -> list[list[Result] | str]:
        """Results of each object, or why there are none. A call that fails is made again with each half of its objects."""
        calls.left -= 1
        try:
            return list(await self._call(batch, exceptions))
        except UndecidedError as error:
            half = len(batch.objects) // 2
            if not half or calls.left < 2 or (isinstance(error, CallError) and error.stuck):  # noqa: PLR2004 - two halves
                return [str(error)] * len(batch.objects)
            places = range(len(batch.objects))
            first = await self._ask(batch.part(places[:half]), exceptions, calls)
            return first + await self._ask(batch.part(places[half:]), exceptions, calls)

    async def _call(self, batch: Batch, exceptions: Sequence[Json]) -> list[list[Result]]:
        objects, uids = batch.named()
        with workspace() as folder:
            arguments = [*APPLY, *write_policies(folder, [policy.document for policy in self._shown])]
            arguments += write_objects(folder, objects) + write_exceptions(folder, exceptions)
            arguments += write_context(folder, list(batch.namespaces.values()), batch.user)
            done = await run(self._program, arguments, folder, self._bounds)
        try:
            results = read_results(done.output, uids)
        except ReportError as error:
            if done.status == 0:
                raise
            raise ReportError(_said(done, objects)) from error
        if done.status not in (0, 1):
            raise ReportError(_said(done, objects))
        return results


class _Calls(msgspec.Struct):
    """How many more there may be."""

    left: int


def _said(done: Done, objects: Sequence[Json]) -> str:
    if any(one.get("kind") == "Secret" for one in objects):
        return f"Kyverno ended with status {done.status} (its messages are withheld: they could quote a Secret)"
    return f"Kyverno ended with status {done.status}: {done.problem}"


def _unreadable(asked: Asked) -> str:
    if asked.subject.kind.group == "kyverno.io" and asked.subject.kind.kind == "GlobalContextEntry":
        return "Kyverno's command line takes it for a setting of its own"
    try:
        object_of(asked)
    except MalformedRequestError as error:
        return str(error)
    return ""


def _unknown(rule: KyvernoRule, asked: Asked) -> str:
    """What the rule must know and is not known; of an update it is told the object alone."""
    missing = [need for need in rule.needs if need in (NAMESPACE, USER) and need not in asked.known]
    nowhere = not asked.subject.object_namespace and asked.subject.kind.kind not in CLUSTER_SCOPED
    if NAMESPACE in rule.needs and nowhere:
        missing.append("namespace (the object names none, and Kyverno takes default)")
    if OPERATION in rule.needs and asked.subject.operation != "CREATE":
        missing.append("the operation and the old object (Kyverno's command line takes every object for a new one)")
    return f"not known here: {', '.join(missing)}" if missing else ""
