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
from webhooks.drift.facts import IgnoreRule
from webhooks.drift.fields import leaves
from webhooks.drift.jq import delete, parse
from webhooks.drift.managed import Entry, by, string_map
from webhooks.drift.paths import Path, list_key, set_value
from webhooks.drift.selectors import selects, simple_pattern


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
        UndecidedError: a jq expression is of a form that is not supported here.
    """
    copy: Json = msgspec.json.decode(raw)
    for rule in rules:
        for pointer in rule.pointers:
            steps = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
            _delete_pointer(copy, steps)
        for expression in rule.expressions:
            for alternative in parse(expression):
                delete(copy, alternative)
        for entry in by(rule.managers, listed):
            for path in leaves(entry.fields):
                _delete_path(copy, path)
    return copy


def _concerns(rule: IgnoreRule, subject: Subject, obj: Json) -> bool:
    kind = subject.kind
    if rule.exact:
        return (
            fnmatchcase(kind.group, rule.group or "")
            and fnmatchcase(kind.kind, rule.kind or "*")
            and rule.name in {"", subject.name}
            and rule.namespace in {"", subject.namespace}
        )
    wanted = (
        (rule.group, kind.group),
        (rule.kind, kind.kind),
        (rule.name, subject.name),
        (rule.namespace, subject.namespace),
    )
    if not all(not pattern or simple_pattern(pattern).fullmatch(value) for pattern, value in wanted):
        return False
    return selects(rule.labels, string_map(obj, "labels")) and selects(rule.annotations, string_map(obj, "annotations"))


def _delete_pointer(node: Any, steps: list[str]) -> None:
    if not steps:
        raise UndecidedError("an ignore rule has an empty JSON pointer")
    for step in steps[:-1]:
        node = _child(node, step)
    last = steps[-1]
    if isinstance(node, dict):
        node.pop(last, None)
    elif isinstance(node, list) and last.isdigit() and int(last) < len(node):
        del node[int(last)]


def _child(node: Any, step: str) -> Any:
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and step.isdigit() and int(step) < len(node):
        return node[int(step)]
    return None


def _delete_path(node: Any, path: Path) -> None:
    for key in path[:-1]:
        if key.startswith("f:"):
            node = node.get(key[2:]) if isinstance(node, dict) else None
        else:
            node = next((item for item in node if _is_element(item, key)), None) if isinstance(node, list) else None
    last = path[-1]
    if last.startswith("f:") and isinstance(node, dict):
        node.pop(last[2:], None)
    elif isinstance(node, list):
        node[:] = [item for item in node if not _is_element(item, last)]


def _is_element(item: Any, key: str) -> bool:
    if key.startswith("v:"):
        return (item,) == set_value(key)
    return isinstance(item, dict) and all(item.get(name) == value for name, value in list_key(key))
