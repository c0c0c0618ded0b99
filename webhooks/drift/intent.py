"""What the owner tells its reconciler to leave alone: ignore rules, applied as the reconciler applies them.

Flux and Argo CD remove ignored paths from both sides and compare the rest; so do we.
Sources: fluxcd/pkg/ssa/jsondiff, Argo CD ``util/argo/normalizers/diff_normalizer.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.subject import Json, Subject
from webhooks.drift.elements import Elements, index_of
from webhooks.drift.facts import IgnoreRule
from webhooks.drift.fields import FieldsV1, has_children
from webhooks.drift.jq import Budget, delete, parse
from webhooks.drift.managed import Entry, by, string_map
from webhooks.drift.selectors import selects, simple_pattern

MAX_STEPS = 50_000
"""What all rules together may visit in one object: whoever writes an Application must not be able to hold up others."""


def rules_for(rules: Iterable[IgnoreRule], subject: Subject, obj: Json) -> list[IgnoreRule]:
    """The rules that concern this object.

    Raises:
        UndecidedError: a selector is of a form that cannot be evaluated here safely.
    """
    return [rule for rule in rules if _concerns(rule, subject, obj)]


def without(raw: bytes, rules: Iterable[IgnoreRule], listed: list[Entry]) -> Json:
    """A copy of the object without what the rules ignore.

    ``listed`` are the entries of the object as it was before the request: who owns a field afterwards is the
    client's to say.

    Raises:
        UndecidedError: a jq expression is of a form that is not supported here, or the rules are too much work.
    """
    copy: Json = msgspec.json.decode(raw)
    budget = Budget(MAX_STEPS)
    for rule in rules:
        for pointer in rule.pointers:
            steps = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
            budget.spend(len(steps))
            _delete_pointer(copy, steps)
        for expression in rule.expressions:
            for alternative in parse(expression):
                delete(copy, alternative, budget)
        for entry in by(rule.managers, listed):
            _delete_fields(copy, entry.fields)
    return copy


def _concerns(rule: IgnoreRule, subject: Subject, obj: Json) -> bool:
    kind = subject.kind
    if rule.exact:
        return (
            fnmatchcase(kind.group, rule.group or "")
            and fnmatchcase(kind.kind, rule.kind or "*")
            and rule.name in {"", subject.name}
            and rule.namespace in {"", subject.object_namespace}
        )
    wanted = (
        (rule.group, kind.group),
        (rule.kind, kind.kind),
        (rule.name, subject.name),
        (rule.namespace, subject.object_namespace),
    )
    if not all(not pattern or simple_pattern(pattern).fullmatch(value) for pattern, value in wanted):
        return False
    return selects(rule.labels, string_map(obj, "labels")) and selects(rule.annotations, string_map(obj, "annotations"))


def _delete_pointer(node: Any, steps: list[str]) -> None:
    if not steps:
        raise UndecidedError("an ignore rule has an empty JSON pointer")
    for step in steps[:-1]:
        node = _child(node, step)
    if isinstance(node, dict):
        node.pop(steps[-1], None)
    elif isinstance(node, list) and 0 <= index_of(steps[-1]) < len(node):
        del node[index_of(steps[-1])]


def _child(node: Any, step: str) -> Any:
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and 0 <= index_of(step) < len(node):
        return node[index_of(step)]
    return None


def _delete_fields(node: Any, fields: FieldsV1) -> None:
    """Delete every leaf of a set. An element that stands there twice is left alone: only one of them is the manager's."""
    elements = Elements(node)
    doomed: set[int] = set()
    for key, below in fields.items():
        if key.startswith("f:") and isinstance(node, dict):
            if has_children(below):
                _delete_fields(node.get(key[2:]), below)
            else:
                node.pop(key[2:], None)
        elif key.startswith(("k:", "v:")):
            found = elements.positions(key)
            if len(found) == 1 and has_children(below):
                _delete_fields(node[found[0]], below)
            elif len(found) == 1:
                doomed.add(found[0])
    if doomed:
        node[:] = [item for at, item in enumerate(node) if at not in doomed]
