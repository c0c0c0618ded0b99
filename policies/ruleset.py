"""Rules in force, of every kind, judged together: one evaluation per request.

What is judged is decided here, once, for the webhook, for ``check`` and for the background scan alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

import msgspec

from gateway.core.finding import Finding
from policies.engine import Answer, Engine, Failed, Module, Rules, Undefined
from policies.rule import INVENTORY, NAMESPACE, USER, YES, Asked, Rule, RuleInfo, inventory_of
from policies.settings import Settings

_MAX_KINDS = 4096
"""Kinds and operations for which it is remembered which rules concern them."""


class Undecided(msgspec.Struct, frozen=True):
    """A rule that could not be decided about a request, and why."""

    rule: str
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """What the rules say about one request: findings in the rules' order, and what could not be decided."""

    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    judged: int = 0
    """How many rules concerned the request."""


class _Input(Enum):
    """What a rule is given: the review, the review without managed fields, or the object alone."""

    REVIEW = auto()
    LEAN = auto()
    OBJECT = auto()


class _Plan(msgspec.Struct, frozen=True):
    """Queries to ask, by their input; and rules that cannot be asked."""

    queries: dict[_Input, tuple[int, ...]]
    undecided: tuple[Undecided, ...]


class RuleSet:
    """Loaded rules with their settings. ``digest`` covers everything that decides."""

    def __init__(self, rules: Sequence[Rule], loaded: Rules, settings: Settings, digest: str) -> None:
        self._rules = tuple(rules)
        self._loaded = loaded
        self._settings = settings
        references = [loaded.references(query) for query in range(len(rules))]
        self._needs = [needs_of(rule.info, read) for rule, read in zip(rules, references, strict=True)]
        self._inputs = [_input_of(rule, read) for rule, read in zip(rules, references, strict=True)]
        self._about: dict[tuple[str, str, str, str], tuple[int, ...]] = {}
        self.digest = digest

    @property
    def infos(self) -> tuple[RuleInfo, ...]:
        """The rules in force, by id."""
        return tuple(sorted((rule.info for rule in self._rules), key=lambda info: info.id))

    @property
    def inventory(self) -> frozenset[str]:
        """The types of other objects that rules state they look at."""
        return frozenset(kind for rule in self._rules for kind in rule.info.inventory)

    @property
    def needs(self) -> frozenset[str]:
        """All that rules need to know beyond the object."""
        return frozenset(need for needs in self._needs for need in needs)

    async def judge(self, asked: Asked, *, timeout_seconds: float) -> Outcome:
        """Judge one request by every rule that concerns it.

        Raises:
            MalformedRequestError: the request's objects cannot be read.
        """
        plan = self._plan(asked)
        answers: dict[int, Answer] = {}
        for kind, queries in plan.queries.items():
            lean = kind is _Input.LEAN
            given = await self._loaded.ask(_document(asked, kind), queries, timeout_seconds=timeout_seconds, lean=lean)
            answers |= zip(queries, given, strict=True)
        return self._outcome(asked, plan, answers)

    async def judge_all(self, many: Sequence[Asked], *, timeout_seconds: float) -> list[Outcome]:
        """Judge many requests, each as :meth:`judge` does; ``timeout_seconds`` is for each of them."""
        plans = [self._plan(asked) for asked in many]
        answers: list[dict[int, Answer]] = [{} for _ in many]
        groups: dict[tuple[_Input, tuple[int, ...]], list[int]] = {}
        for index, plan in enumerate(plans):
            for kind, queries in plan.queries.items():
                groups.setdefault((kind, queries), []).append(index)
        for (kind, queries), indices in groups.items():
            documents = [_document(many[i], kind) for i in indices]
            lean = kind is _Input.LEAN
            rows = await self._loaded.ask_all(documents, queries, timeout_seconds=timeout_seconds, lean=lean)
            for index, row in zip(indices, rows, strict=True):
                answers[index] |= zip(queries, row, strict=True)
        return [self._outcome(*each) for each in zip(many, plans, answers, strict=True)]

    def _plan(self, asked: Asked) -> _Plan:
        """Which rules concern the request, and which of them cannot be asked."""
        namespace = asked.subject.governing_namespace
        queries: dict[_Input, list[int]] = {}
        undecided: list[Undecided] = []
        for position in self._candidates(asked):
            rule = self._rules[position]
            if self._settings.off(rule.info.id, namespace):
                continue
            applies = YES if rule.fixed else rule.applies(asked)
            missing = _missing(self._needs[position], asked.known) if applies.yes else []
            if applies.undecided or missing:
                undecided.append(Undecided(rule.info.id, applies.undecided or f"not known here: {', '.join(missing)}"))
            elif applies.yes:
                queries.setdefault(self._inputs[position], []).append(position)
        return _Plan({kind: tuple(positions) for kind, positions in queries.items()}, tuple(undecided))

    def _candidates(self, asked: Asked) -> tuple[int, ...]:
        """Rules that may concern a request of its kind."""
        subject = asked.subject
        key = (subject.operation, subject.subresource, subject.kind.group, subject.kind.kind)
        found = self._about.get(key)
        if found is None:
            found = tuple(i for i, rule in enumerate(self._rules) if not rule.fixed or rule.applies(asked).yes)
            if len(self._about) >= _MAX_KINDS:
                self._about.clear()
            self._about[key] = found
        return found

    def _outcome(self, asked: Asked, plan: _Plan, answers: Mapping[int, Answer]) -> Outcome:
        namespace = asked.subject.governing_namespace
        undecided = list(plan.undecided)
        findings: list[Finding] = []
        for position in sorted(answers):
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

    async def close(self) -> None:
        """Let go of the rules."""
        await self._loaded.close()


async def load(
    engine: Engine,
    modules: Sequence[Module],
    rules: Sequence[Rule],
    settings: Settings,
    data: Mapping[str, Any],
) -> RuleSet:
    """Load rules into an engine, all of them or none.

    Raises:
        RulesError: a rule does not compile.
        UndecidedError: the engine cannot be had.
    """
    parameters = {rule.info.id: settings.parameters(rule.info) for rule in rules if rule.info.parameters}
    everything = {**data, "govgate": {"parameters": parameters}}
    loaded = await engine.load(modules, [rule.query for rule in rules], everything)
    material = (
        [(module.path, module.text, module.version) for module in modules],
        [(rule.info, rule.query) for rule in rules],
        everything,
    )
    digest = "sha256:" + hashlib.sha256(msgspec.json.encode(material, order="deterministic")).hexdigest()
    return RuleSet(rules, loaded, settings, digest)


_CONTEXTS = {INVENTORY: "data.inventory", NAMESPACE: "input.review.namespaceObject", USER: "input.review.userInfo"}


def needs_of(info: RuleInfo, references: Iterable[str] | None) -> tuple[str, ...]:
    """What beyond the object a rule needs to know: what it states, and what it is seen to read.

    ``references`` are of the query and all that it reaches, None where the engine cannot tell. Types of other objects
    are named one by one where the rule states them.
    """
    read = {
        name
        for name, path in _CONTEXTS.items()
        for reference in references or ()
        if reference == path or reference.startswith((f"{path}.", f"{path}["))
    }
    read.update(info.context)
    if info.inventory:
        read.discard(INVENTORY)
        read.update(map(inventory_of, info.inventory))
    return tuple(sorted(read))


def _missing(needs: Sequence[str], known: frozenset[str]) -> list[str]:
    """What a rule needs and is not known. To know the whole inventory is to know each of its types."""
    return [need for need in needs if need not in known and not (need.startswith(INVENTORY) and INVENTORY in known)]


def document_of(asked: Asked) -> bytes:
    """The input document: the AdmissionRequest as it was sent, with what Gatekeeper adds to it.

    That is the Namespace object where it is known, and on DELETE the old object as ``object``. Of two members of one
    name Go's decoder takes the last one.
    """
    subject = asked.subject
    parts = [subject.raw_request[:-1]]
    if asked.namespace is not None:
        parts.append(b'"namespaceObject":' + msgspec.json.encode(asked.namespace))
    if subject.operation == "DELETE" and subject.raw_old_object:
        parts.append(b'"object":' + subject.raw_old_object)
    body = b",".join(part for part in parts if part != b"{")
    return b'{"review":' + (body if body.startswith(b"{") else b"{" + body) + b"}}"


def _document(asked: Asked, kind: _Input) -> bytes:
    """The input document of this kind; the object alone is on DELETE the one that would go."""
    if kind is _Input.OBJECT:
        return asked.subject.raw_object or asked.subject.raw_old_object
    return document_of(asked)


_MANAGED_FIELDS = tuple(f"input.review.{name}.metadata.managedFields" for name in ("object", "oldObject"))


def _input_of(rule: Rule, references: Iterable[str] | None) -> _Input:
    """Managed fields are half of many a review: they are read only for a rule that may look at them."""
    if rule.whole:
        return _Input.OBJECT
    if rule.lean or (references is not None and not any(map(_may_read_managed_fields, references))):
        return _Input.LEAN
    return _Input.REVIEW


def _may_read_managed_fields(reference: str) -> bool:
    """Whether the reference leads there, or to something that holds them."""
    return any(path.startswith(reference) or reference.startswith(path) for path in _MANAGED_FIELDS)


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
