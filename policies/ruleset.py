"""Rules in force, of every kind, judged together: one evaluation per request.

What is judged is decided here, once, for the webhook, for ``check`` and for the background scan alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.finding import Finding
from policies.engine import Answer, Engine, Failed, Module, Rules, Undefined
from policies.rule import Asked, Rule, RuleInfo
from policies.settings import Settings


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


class RuleSet:
    """Loaded rules with their settings. ``digest`` covers everything that decides."""

    def __init__(self, rules: Sequence[Rule], loaded: Rules, settings: Settings, digest: str) -> None:
        self._rules = tuple(rules)
        self._loaded = loaded
        self._settings = settings
        self.digest = digest

    @property
    def infos(self) -> tuple[RuleInfo, ...]:
        """The rules in force, by id."""
        return tuple(sorted((rule.info for rule in self._rules), key=lambda info: info.id))

    async def judge(self, asked: Asked, *, timeout_seconds: float) -> Outcome:
        """Judge one request by every rule that concerns it.

        Raises:
            MalformedRequestError: the request's objects cannot be read.
        """
        namespace = asked.subject.governing_namespace
        chosen: list[tuple[int, Rule]] = []
        undecided: list[Undecided] = []
        for position, rule in enumerate(self._rules):
            if self._settings.off(rule.info.id, namespace):
                continue
            applies = rule.applies(asked)
            missing = [name for name in rule.info.context if name not in asked.known] if applies.yes else []
            if applies.undecided or missing:
                undecided.append(Undecided(rule.info.id, applies.undecided or f"not known here: {', '.join(missing)}"))
            elif applies.yes:
                chosen.append((position, rule))
        if not chosen:
            return Outcome((), tuple(undecided), len(undecided))
        findings: list[Finding] = []
        for (_, rule), answer in zip(chosen, await self._answers(chosen, asked, timeout_seconds), strict=True):
            found = _read(rule, answer, asked)
            if isinstance(found, Undecided):
                undecided.append(found)
            else:
                findings += [self._settings.apply(finding, namespace) for finding in found]
        return Outcome(tuple(findings), tuple(undecided), len(chosen) + len(undecided))

    async def _answers(self, chosen: Sequence[tuple[int, Rule]], asked: Asked, seconds: float) -> list[Answer]:
        """The answers to the chosen rules' queries, in order: at most one evaluation for each kind of input."""
        whole = [position for position, rule in chosen if rule.whole]
        review = [position for position, rule in chosen if not rule.whole]
        answers: dict[int, Answer] = {}
        for queries, document in ((review, document_of), (whole, _object_of)):
            if queries:
                given = await self._loaded.ask(document(asked), queries, timeout_seconds=seconds)
                answers |= zip(queries, given, strict=True)
        return [answers[position] for position, _ in chosen]

    async def put_inventory(self, path: Sequence[str], value: Any) -> None:
        """Replace a part of the cluster's objects that rules see, below ``data.inventory``."""
        await self._loaded.put_data(["inventory", *path], value)

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


def _object_of(asked: Asked) -> bytes:
    """The object alone; on DELETE the one that would go."""
    return asked.subject.raw_object or asked.subject.raw_old_object


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
