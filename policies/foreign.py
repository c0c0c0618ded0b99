"""Rules of other engines, written in YAML: recognised by kind, none passed over in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.subject import Json
from gateway.native.manifests import read_files
from policies.engine import Diagnostic, Module, RulesError
from policies.gatekeeper.compile import read_policies
from policies.gatekeeper.constraint import AUDIT, WEBHOOK, is_constraint
from policies.gatekeeper.expansion import Expansion, is_expansion, read_expansion
from policies.gatekeeper.rules import rules_of
from policies.gatekeeper.template import is_template
from policies.kyverno.policy import KyvernoPolicies, is_kyverno, standing
from policies.kyverno.policy import read_policies as read_kyverno
from policies.rule import Rule


class Foreign(msgspec.Struct, frozen=True):
    """What other engines' documents amount to."""

    modules: tuple[Module, ...]
    rules: tuple[Rule, ...]
    data: dict[str, Any]
    expansions: tuple[Expansion, ...] = ()
    kyverno: KyvernoPolicies = KyvernoPolicies()


def read_foreign(files: Sequence[tuple[str, bytes]], point: str = WEBHOOK) -> Foreign:
    """Gatekeeper's templates, constraints and expansions in files, and Kyverno's policies and exceptions.

    Other documents, which state no rules, are left out. ``point``: what is in force at this enforcement point.

    Raises:
        RulesError: a file cannot be read, or a policy in it has no form; names the file and line.
        GovgateError: a template or constraint is wrong.
    """
    templates: list[Json] = []
    constraints: list[Json] = []
    expansions: list[Expansion] = []
    others: list[tuple[str, int, Json]] = []
    for path, line, document in _documents(files):
        if is_template(document):
            templates.append(document)
        elif is_constraint(document):
            constraints.append(document)
        elif is_expansion(document):
            expansions.append(read_expansion(document))
        elif is_kyverno(document):
            others.append((path, line, document))
    kyverno = read_kyverno(others)
    if point == AUDIT:
        kyverno = standing(kyverno)
    if not templates and not constraints:
        return Foreign((), (), {}, tuple(expansions), kyverno)
    compiled, rules = rules_of(read_policies(templates, constraints), point)
    modules = tuple(Module(module.path, module.text, module.version) for module in compiled.modules)
    return Foreign(modules, tuple(rules), compiled.data, tuple(expansions), kyverno)


def _documents(files: Sequence[tuple[str, bytes]]) -> list[tuple[str, int, Json]]:
    found: list[tuple[str, int, Json]] = []
    for (path, _), file in zip(files, read_files([content for _, content in files]), strict=True):
        if file.problem is not None:
            raise _unsupported(path, file.problem.line, file.problem.message)
        for document in file.documents:
            value = msgspec.json.decode(document.json)
            found += [(path, document.line, one) for one in _each(value)]
    return found


def _each(value: Any) -> list[Json]:
    """The document, or what a list (``v1`` List, as kubectl prints several objects) holds."""
    if not isinstance(value, dict):
        return []
    items = value.get("items") if value.get("kind") == "List" else None
    return [one for item in items for one in _each(item)] if isinstance(items, list) else [value]


def _unsupported(path: str, line: int, text: str) -> RulesError:
    return RulesError([Diagnostic(path, line, 1, "document", text)])
