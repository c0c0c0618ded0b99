"""Rules in force, of every kind, judged together: one evaluation per request.

What is judged is decided here, once, for the webhook, for ``check`` and for the background scan alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from gateway.config.opa import Opa
from gateway.core.finding import Finding
from gateway.core.subject import Subject
from policies.builtin import kind_matches
from policies.documents import Input, document, input_of
from policies.engine import Answer, Engine, Failed, Module, Rules, Undefined, Value
from policies.gatekeeper.expansion import Expansion, ExpansionError, Expansions, Gvk
from policies.gatekeeper.implied import unfold
from policies.implied import Implied, Unfold
from policies.joined import JoinedRules
from policies.needs import missing, needs_of
from policies.remote.decisions import decision_rules
from policies.rule import YES, Asked, Rule, RuleInfo
from policies.settings import Settings

_MAX_KINDS = 4096
"""Kinds and operations for which it is remembered which rules concern them."""


class Undecided(msgspec.Struct, frozen=True):
    """A rule that could not be decided about a request, and why. ``unknown``: for want of what is known elsewhere."""

    rule: str
    reason: str
    unknown: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What the rules say about one request: findings in the rules' order, and what could not be decided."""

    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    judged: int = 0
    """How many rules concerned the request."""

    def joined(
        self, *, findings: tuple[Finding, ...] = (), undecided: tuple[Undecided, ...] = (), judged: int = 0
    ) -> Outcome:
        """What was found, and more."""
        return Outcome(self.findings + findings, self.undecided + undecided, self.judged + judged)


class Late(Protocol):
    """Rules that are not judged while a request waits, but where many objects are, and afterwards."""

    @property
    def infos(self) -> tuple[RuleInfo, ...]:
        """Its rules."""
        ...

    @property
    def digest(self) -> str:
        """Of everything that decides."""
        ...

    def concerns(self, asked: Asked) -> bool:
        """Whether any of its rules may be about the request."""
        ...

    def about(self, subject: Subject) -> bool:
        """Whether any of its rules may be about objects of the subject's type, wherever they are."""
        ...

    async def judge_all(self, many: Sequence[Asked]) -> list[Outcome]:
        """Judge many requests, within bounds of its own."""
        ...


class _Plan(msgspec.Struct, frozen=True):
    """Queries to ask, by their input; and rules that cannot be asked."""

    queries: dict[Input, tuple[int, ...]]
    undecided: tuple[Undecided, ...]


class RuleSet:
    """Loaded rules with their settings. ``digest`` covers everything that decides."""

    def __init__(
        self,
        rules: Sequence[Rule],
        loaded: Rules,
        settings: Settings,
        digest: str,
        unfold: Unfold | None = None,
        *,
        late: Late | None = None,
        expands: Callable[[Gvk], bool] | None = None,
    ) -> None:
        self._rules = tuple(rules)
        self._expands = expands
        self._late = late
        self._unfold = unfold
        self._loaded = loaded
        self._settings = settings
        references = [loaded.references(query) for query in range(len(rules))]
        self._needs = [needs_of(rule.info, read) for rule, read in zip(rules, references, strict=True)]
        self._inputs = [input_of(rule, read) for rule, read in zip(rules, references, strict=True)]
        self._about: dict[tuple[str, str, str, str], tuple[int, ...]] = {}
        self.digest = digest

    @property
    def infos(self) -> tuple[RuleInfo, ...]:
        """The rules in force, by id."""
        late = self._late.infos if self._late is not None else ()
        return tuple(sorted((*(rule.info for rule in self._rules), *late), key=lambda info: info.id))

    @property
    def inventory(self) -> frozenset[str]:
        """The types of other objects that rules state they look at."""
        return frozenset(kind for rule in self._rules for kind in rule.info.inventory)

    @property
    def needs(self) -> frozenset[str]:
        """All that rules need to know beyond the object."""
        return frozenset(need for needs in self._needs for need in needs)

    def about(self, subject: Subject) -> bool:
        """Whether any rule may be about objects of the subject's type, when they are made. Never falsely no: where it is
        no, such objects need not be read at all.
        """
        kind = subject.kind
        if self._expands is not None and self._expands((kind.group, kind.version, kind.kind)):
            return True
        if self._late is not None and self._late.about(subject):
            return True
        return any(
            subject.operation in rule.info.operations
            and any(kind_matches(pattern, kind.group, kind.kind) for pattern in rule.info.kinds)
            and not self._settings.gone(rule.info.id)
            for rule in self._rules
        )

    async def judge(self, asked: Asked, *, timeout_seconds: float) -> Outcome:
        """Judge one request by every rule that concerns it.

        Raises:
            MalformedRequestError: the request's objects cannot be read.
        """
        implied = self._implied(asked)
        outcome = await self._judge(asked, timeout_seconds)
        if isinstance(implied, Undecided):
            return outcome.joined(undecided=(implied,))
        for one in implied:
            found = await self._judge(one.asked, timeout_seconds)
            outcome = self._joined(outcome, asked, one, found)
        return outcome

    async def judge_all(self, many: Sequence[Asked], *, timeout_seconds: float) -> list[Outcome]:
        """Judge many requests, each as :meth:`judge` does, and by the late rules; ``timeout_seconds`` is for each."""
        outcomes = await self._judge_all(many, timeout_seconds)
        for index, late in enumerate(await self.judge_late(many)):
            outcomes[index] = outcomes[index].joined(
                findings=late.findings, undecided=late.undecided, judged=late.judged
            )
        if self._unfold is None:
            return outcomes
        further: list[tuple[int, Implied]] = []
        for index, asked in enumerate(many):
            implied = self._implied(asked)
            if isinstance(implied, Undecided):
                outcomes[index] = outcomes[index].joined(undecided=(implied,))
            else:
                further += [(index, one) for one in implied]
        found = await self._judge_all([one.asked for _, one in further], timeout_seconds)
        for (index, one), more in zip(further, found, strict=True):
            outcomes[index] = self._joined(outcomes[index], many[index], one, more)
        return outcomes

    @property
    def about_files(self) -> bool:
        """Whether there are rules about structured files of any kind."""
        return any(rule.whole for rule in self._rules)

    async def judge_files(self, many: Sequence[Asked], *, timeout_seconds: float) -> list[Outcome]:
        """Judge what structured files hold, each ``by`` the rules that take any document as it is."""
        return await self._judge_all(many, timeout_seconds)

    @property
    def has_late(self) -> bool:
        """Whether there are late rules at all."""
        return self._late is not None

    def late(self, asked: Asked) -> bool:
        """Whether there are late rules that may be about the request."""
        return self._late is not None and self._late.concerns(asked)

    async def judge_late(self, many: Sequence[Asked]) -> list[Outcome]:
        """Judge many requests by the late rules alone."""
        if self._late is None:
            return []
        return [self._set(*each) for each in zip(many, await self._late.judge_all(many), strict=True)]

    def _set(self, asked: Asked, outcome: Outcome) -> Outcome:
        """The outcome of late rules, as the settings have it."""
        namespace = asked.subject.governing_namespace
        on = [one for one in outcome.findings if not self._settings.off(one.rule, namespace)]
        doubts = tuple(one for one in outcome.undecided if not self._settings.off(one.rule, namespace))
        return Outcome(tuple(self._settings.apply(one, namespace) for one in on), doubts, outcome.judged)

    def _implied(self, asked: Asked) -> Sequence[Implied] | Undecided:
        if self._unfold is None:
            return ()
        try:
            return self._unfold(asked)
        except ExpansionError as error:
            return Undecided("gatekeeper/ExpansionTemplate", str(error))

    def _joined(self, outcome: Outcome, asked: Asked, implied: Implied, more: Outcome) -> Outcome:
        namespace = asked.subject.governing_namespace
        findings = (self._settings.apply(implied.finding_about(asked, one), namespace) for one in more.findings)
        return outcome.joined(findings=tuple(findings), undecided=more.undecided, judged=more.judged)

    async def _judge(self, asked: Asked, timeout_seconds: float) -> Outcome:
        plan = self._plan(asked)
        answers: dict[int, Answer] = {}
        for kind, queries in plan.queries.items():
            lean = kind is Input.LEAN
            given = await self._loaded.ask(document(asked, kind), queries, timeout_seconds=timeout_seconds, lean=lean)
            answers |= zip(queries, given, strict=True)
        return self._outcome(asked, plan, answers)

    async def _judge_all(self, many: Sequence[Asked], timeout_seconds: float) -> list[Outcome]:
        plans = [self._plan(asked) for asked in many]
        answers: list[dict[int, Answer]] = [{} for _ in many]
        groups: dict[tuple[Input, tuple[int, ...]], list[int]] = {}
        for index, plan in enumerate(plans):
            for kind, queries in plan.queries.items():
                groups.setdefault((kind, queries), []).append(index)
        for (kind, queries), indices in groups.items():
            documents = [document(many[i], kind) for i in indices]
            lean = kind is Input.LEAN
            rows = await self._loaded.ask_all(documents, queries, timeout_seconds=timeout_seconds, lean=lean)
            for index, row in zip(indices, rows, strict=True):
                answers[index] |= zip(queries, row, strict=True)
        return [self._outcome(*each) for each in zip(many, plans, answers, strict=True)]

    def _plan(self, asked: Asked) -> _Plan:
        """Which rules concern the request, and which of them cannot be asked."""
        namespace = asked.subject.governing_namespace
        has_object = bool(asked.subject.raw_object or asked.subject.raw_old_object)
        queries: dict[Input, list[int]] = {}
        undecided: list[Undecided] = []
        for position in self._candidates(asked):
            rule = self._rules[position]
            if self._settings.off(rule.info.id, namespace) or not _is_for(rule, asked):
                continue
            applies = YES if rule.fixed and has_object else rule.applies(asked)
            unknown = missing(self._needs[position], asked.known) if applies.yes else []
            if applies.undecided or unknown:
                reason = applies.undecided or f"not known here: {', '.join(unknown)}"
                undecided.append(Undecided(rule.info.id, reason, unknown=True))
            elif applies.yes:
                queries.setdefault(self._inputs[position], []).append(position)
        return _Plan({kind: tuple(positions) for kind, positions in queries.items()}, tuple(undecided))

    def _candidates(self, asked: Asked) -> tuple[int, ...]:
        """Rules that may concern a request of its kind."""
        subject = asked.subject
        key = (subject.operation, subject.subresource, subject.kind.group, subject.kind.kind)
        found = self._about.get(key)
        if found is None:
            found = tuple(i for i, rule in enumerate(self._rules) if not rule.fixed or _may_apply(rule, asked))
            if len(self._about) >= _MAX_KINDS:
                self._about.clear()
            self._about[key] = found
        return found

    def _outcome(self, asked: Asked, plan: _Plan, answers: Mapping[int, Answer]) -> Outcome:
        namespace = asked.subject.governing_namespace
        undecided = list(plan.undecided)
        findings: list[Finding] = []
        for position in sorted(answers):
            if answers[position] == _NOTHING:
                continue
            found = _read(self._rules[position], answers[position], asked)
            if isinstance(found, Undecided):
                undecided.append(found)
            else:
                findings += [self._settings.apply(finding, namespace) for finding in found]
        return Outcome(tuple(findings), tuple(undecided), len(answers) + len(plan.undecided))

    async def put_inventory(self, path: Sequence[str], value: Any) -> None:
        """Replace a part of the cluster's objects that rules see, below ``data.inventory``."""
        await self._loaded.put_data(["inventory", *path], value)

    def overrunning(self) -> int:
        """Evaluations that were answered at their deadline and still run in this process."""
        return self._loaded.overrunning()

    @property
    def problem(self) -> str:
        """Why rules cannot be asked at the moment; empty while they can."""
        return self._loaded.problem

    async def close(self) -> None:
        """Let go of the rules."""
        await self._loaded.close()


async def load(
    engine: Engine,
    modules: Sequence[Module],
    rules: Sequence[Rule],
    settings: Settings,
    data: Mapping[str, Any],
    *,
    expansions: Sequence[Expansion] = (),
    late: Late | None = None,
    opa: Opa | None = None,
) -> RuleSet:
    """Load rules into an engine, all of them or none. ``opa``: a server that decisions are asked of beside them.

    Raises:
        RulesError: a rule does not compile.
        UndecidedError: the engine cannot be had.
        ExpansionError: expansions contradict each other.
    """
    every = Expansions(expansions) if expansions else None
    implying = partial(unfold, every) if every is not None else None
    parameters = {rule.info.id: settings.parameters(rule.info) for rule in rules if rule.info.parameters}
    everything = {**data, "govgate": {"parameters": parameters}}
    decisions = decision_rules(opa) if opa is not None else []
    loaded = await _loaded(engine, modules, rules, everything, opa if decisions else None)
    rules = [*rules, *decisions]
    material = (
        [(module.path, module.text, module.version) for module in modules],
        [(rule.info, rule.query) for rule in rules],
        everything,
        expansions,
        *([late.digest] if late is not None else []),
    )
    digest = "sha256:" + hashlib.sha256(msgspec.json.encode(material, order="deterministic")).hexdigest()
    expands = every.concerns if every is not None else None
    return RuleSet(rules, loaded, settings, digest, implying, late=late, expands=expands)


def _is_for(rule: Rule, asked: Asked) -> bool:
    """Whether the rule is asked about things from there."""
    if asked.by != "all" and rule.whole != (asked.by == "document"):
        return False
    return rule.implied or asked.source == "Original"


async def _loaded(
    engine: Engine, modules: Sequence[Module], rules: Sequence[Rule], data: Mapping[str, Any], opa: Opa | None
) -> Rules:
    if opa is None:
        return await engine.load(modules, [rule.query for rule in rules], data)
    from policies.remote.in_place import DecisionRules  # noqa: PLC0415 - slow to import, and seldom needed

    if not rules and not modules:
        return DecisionRules(opa)
    loaded = await engine.load(modules, [rule.query for rule in rules], data)
    return JoinedRules(loaded, DecisionRules(opa), len(rules))


def _may_apply(rule: Rule, asked: Asked) -> bool:
    applies = rule.applies(asked)
    return applies.yes or bool(applies.undecided)


_NOTHING = Value([])


def _read(rule: Rule, answer: Answer, asked: Asked) -> list[Finding] | Undecided:
    if isinstance(answer, Failed):
        return Undecided(rule.info.id, answer.message)
    if isinstance(answer, Undefined):
        if rule.optional:
            return []
        return Undecided(rule.info.id, "the rule has no value")
    try:
        return rule.read(answer.value, asked)
    except ValueError as error:
        return Undecided(rule.info.id, f"the rule returned what is no finding: {' '.join(str(error).split())[:200]}")
