"""Reviews with Gatekeeper's verdicts and messages: templates and constraints compiled once, asked many times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.subject import Json
from gateway.native.rego import Answer, Failed, RuleSet, Value, compile_rules
from policies.gatekeeper.compile import Policies, compile_constraints
from policies.gatekeeper.constraint import Constraint
from policies.gatekeeper.expansion import Expansions
from policies.gatekeeper.match import MatchError, matches
from policies.gatekeeper.review import Reviewed, as_float64, of_object

AUTOREJECT = "unable to match constraints"
_OURS = frozenset(("input", "panic", "result", "result_too_large", "several_results"))
"""Failures that are not the rules' own: nothing is decided by them."""


class Violation(msgspec.Struct, frozen=True):
    """What a constraint says against an object. ``action`` is the constraint's, or the expansion's in its place;
    ``scoped`` are the actions that ``scoped`` stands for at the enforcement point.
    """

    constraint: Constraint
    message: str
    action: str
    details: Any = None
    scoped: tuple[str, ...] = ()

    @property
    def denial(self) -> str:
        """The message as Gatekeeper's webhook writes it: ``[name] message``."""
        return f"[{self.constraint.name}] {self.message}"


class Gatekeeper:
    """Templates, constraints and expansions, compiled. Close it when it is no longer used."""

    def __init__(
        self, policies: Policies, *, expansions: Expansions | None = None, inventory: Iterable[Json] = ()
    ) -> None:
        """Compile.

        Raises:
            RegoError: a template does not compile.
            UndecidedError: an object of the inventory has no kind or version.
        """
        self._policies = policies
        self._expansions = expansions or Expansions(())
        compiled = compile_constraints(policies.templates, policies.constraints)
        data = msgspec.json.encode({**compiled.data, "inventory": as_float64(inventory_of(inventory))})
        self._rules: RuleSet = compile_rules(compiled.modules, compiled.queries, data=data)

    def close(self) -> None:
        """Free the rules."""
        self._rules.close()

    def review(self, reviewed: Reviewed, point: str, *, timeout_seconds: float) -> list[Violation]:
        """What all constraints say, and what they say of the objects that this one is expanded to. Ordered.

        Raises:
            UndecidedError: a rule did not end in time, or returned what is no violation.
            ExpansionError: the object cannot be expanded.
        """
        found = self._judge(reviewed, point, timeout_seconds)
        about = reviewed.candidate
        base = reviewed.request.get("object")
        for generated in self._expansions.expand(base, about.namespace) if isinstance(base, dict) else ():
            implied = of_object(
                generated.document, namespace=about.namespace, source="Generated", operation=reviewed.operation
            )
            implied = msgspec.structs.replace(implied, namespace=reviewed.namespace)
            for one in self._judge(implied, point, timeout_seconds):
                message = f"[Implied by {generated.template}] {one.message}"
                action = generated.action or one.action
                found.append(msgspec.structs.replace(one, message=message, action=action))
        return found

    def _judge(self, reviewed: Reviewed, point: str, timeout_seconds: float) -> list[Violation]:
        found: list[Violation] = []
        asked: list[int] = []
        for number, constraint in enumerate(self._policies.constraints):
            if not constraint.actions(point):
                continue
            try:
                if matches(constraint.match, reviewed.candidate):
                    asked.append(number)
            except MatchError as error:
                found.append(_violation(constraint, point, f"{AUTOREJECT}: {error}"))
        if asked:
            found += self._evaluate(reviewed, point, asked, timeout_seconds)
        return sorted(found, key=lambda one: (one.constraint.kind, one.constraint.name, one.message))

    def _evaluate(
        self, reviewed: Reviewed, point: str, asked: Sequence[int], timeout_seconds: float
    ) -> list[Violation]:
        [answers] = self._rules.evaluate([reviewed.document()], asked, timeout_seconds=timeout_seconds)
        by_number = dict(zip(asked, answers, strict=True))
        failures = self._failures(by_number)
        found: list[Violation] = []
        for number, answer in by_number.items():
            constraint = self._policies.constraints[number]
            if constraint.kind in failures:
                found.append(_violation(constraint, point, failures[constraint.kind]))
            else:
                found += [_violation(constraint, point, *result) for result in results_of(constraint, answer)]
        return found

    def _failures(self, answers: Mapping[int, Answer]) -> dict[str, str]:
        """Gatekeeper asks all constraints of a kind at once: an error of one is said for each of them."""
        failures: dict[str, str] = {}
        for number, answer in answers.items():
            if isinstance(answer, Failed) and answer.code not in _OURS:
                failures.setdefault(self._policies.constraints[number].kind, error_message(answer))
        return failures


def error_message(failure: Failed) -> str:
    """An evaluation's error as Gatekeeper words it: ``template:3: eval_conflict_error: …``.

    Of conflicts newer versions of OPA say more, by the names that the template has here only.
    """
    module, line, message = failure.path.rpartition("/")[2], failure.line, failure.message
    conflict = _CONFLICT.match(message) if failure.code == "eval_conflict_error" else None
    if conflict is not None and conflict[1] == "function":
        message = "functions must not produce multiple outputs for same inputs"
    elif conflict is not None:
        message, line = "complete rules must not produce multiple outputs", int(conflict[2] or line)
    where = f"{module}:{line}: " if module else ""
    return f"{where}{failure.code}: {message}"


_CONFLICT = re.compile(r"(rule|function) \S+ produced conflicting values(?::\n[^\n]* at \S+:(\d+))?")


def results_of(constraint: Constraint, answer: Answer) -> list[tuple[str, Any]]:
    """Messages with their details.

    Raises:
        UndecidedError: the answer is none.
    """
    shown = f"{constraint.kind} {constraint.name}"
    if not isinstance(answer, Value):
        code = "undefined" if not isinstance(answer, Failed) else answer.message
        raise UndecidedError(f"{shown}: {getattr(answer, 'code', code)}: the rule gave no answer")
    results = msgspec.json.decode(answer.value)
    if not all(isinstance(result["msg"], str) for result in results):
        raise UndecidedError(f"{shown}: the msg of a violation is not a string")
    return [(result["msg"], result["details"]) for result in results]


def _violation(constraint: Constraint, point: str, message: str, details: Any = None) -> Violation:
    scoped = constraint.actions(point) if constraint.action == "scoped" else ()
    return Violation(constraint, message, constraint.action, details, scoped)


def inventory_of(documents: Iterable[Json]) -> Json:
    """Objects as rules find them below ``data.inventory``: by namespace or cluster, group and version, kind, name.

    Raises:
        UndecidedError: an object has no kind or no version.
    """
    inventory: Json = {}
    for document in documents:
        version, kind = document.get("apiVersion"), document.get("kind")
        metadata = document.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        name = str(metadata.get("name") or "")
        if not isinstance(version, str) or not version or not isinstance(kind, str) or not kind:
            raise UndecidedError(f"inventory: the object {name or 'without a name'} has no apiVersion or no kind")
        namespace = metadata.get("namespace")
        below = inventory.setdefault("namespace", {}).setdefault(namespace, {}) if namespace else None
        if below is None:
            below = inventory.setdefault("cluster", {})
        below.setdefault(version, {}).setdefault(kind, {})[name] = document
    return inventory
