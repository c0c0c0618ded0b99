"""Rules of other engines, written in YAML: recognised by kind, none passed over in silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.subject import Json
from gateway.native.manifests import read_files
from policies.engine import Diagnostic, Module, RulesError
from policies.gatekeeper.compile import read_policies
from policies.gatekeeper.constraint import is_constraint
from policies.gatekeeper.expansion import Expansion, is_expansion, read_expansion
from policies.gatekeeper.rules import rules_of
from policies.gatekeeper.template import is_template
from policies.rule import Rule

_KYVERNO = ("kyverno.io/", "policies.kyverno.io/")


class Foreign(msgspec.Struct, frozen=True):
    """What other engines' documents amount to."""

    modules: tuple[Module, ...]
    rules: tuple[Rule, ...]
    data: dict[str, Any]
    expansions: tuple[Expansion, ...] = ()


def read_foreign(files: Sequence[tuple[str, bytes]]) -> Foreign:
    """Gatekeeper's templates, constraints and expansions in files; other documents, which state no rules, are left out.

    Raises:
        RulesError: a file cannot be read, or holds policies that are not supported; names the file and line.
        GovgateError: a template or constraint is wrong.
    """
    templates: list[Json] = []
    constraints: list[Json] = []
    expansions: list[Expansion] = []
    for path, line, document in _documents(files):
        if is_template(document):
            templates.append(document)
        elif is_constraint(document):
            constraints.append(document)
        elif is_expansion(document):
            expansions.append(read_expansion(document))
        elif str(document.get("apiVersion", "")).startswith(_KYVERNO):
            raise _unsupported(path, line, "Kyverno's policies are not supported yet")
    if not templates and not constraints:
        return Foreign((), (), {}, tuple(expansions))
    compiled, rules = rules_of(read_policies(templates, constraints))
    modules = tuple(Module(module.path, module.text, module.version) for module in compiled.modules)
    return Foreign(modules, tuple(rules), compiled.data, tuple(expansions))


def _documents(files: Sequence[tuple[str, bytes]]) -> list[tuple[str, int, Json]]:
    found: list[tuple[str, int, Json]] = []
    for (path, _), file in zip(files, read_files([content for _, content in files]), strict=True):
        if file.problem is not None:
            raise _unsupported(path, file.problem.line, file.problem.message)
        for document in file.documents:
            value = msgspec.json.decode(document.json)
            if isinstance(value, dict):
                found.append((path, document.line, value))
    return found


def _unsupported(path: str, line: int, text: str) -> RulesError:
    return RulesError([Diagnostic(path, line, 1, "document", text)])
