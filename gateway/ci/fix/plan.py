"""Fixes of one document as a tree of its fields, and what the document becomes by them: pure, on JSON values."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.finding import Fix, RemoveField, SetField
from gateway.native.manifests import steps_of

Step = str | int
"""A member's name, or the index of an item."""

Tree = dict[Step, "Tree | Fix"]
"""Fixes by the fields they are about, as a document's own fields are nested."""

_NOTHING = object()


class RefusalError(Exception):
    """Why a field can not be changed here; everything at and below ``steps`` is meant."""

    def __init__(self, why: str, steps: tuple[Step, ...] = ()) -> None:
        super().__init__(why)
        self.steps = steps


def resolve(document: Any, path: str, fix: Fix) -> tuple[Step, ...]:
    """Where a field path leads in the document, for a fix of it.

    Raises:
        RefusalError: it leads nowhere, to several items, or to what the fix would not change.
    """
    found: list[Step] = []
    at = document
    for step in steps_of(path):
        here = _index(at, step) if isinstance(step, dict) else step
        found.append(here)
        if isinstance(here, int):
            if not isinstance(at, list) or here >= len(at):
                raise RefusalError("the field is not there")
            at = at[here]
        elif isinstance(at, dict):
            at = at.get(here, _NOTHING)
        elif at is None or at is _NOTHING:
            at = _NOTHING
        else:
            raise RefusalError("the field is in something that is no map")
    if not found or (isinstance(fix, RemoveField) and at is _NOTHING):
        raise RefusalError("the field is not there")
    if isinstance(fix, SetField) and _equal(at, fix.value):
        raise RefusalError("the field has that value already")
    return tuple(found)


def _index(items: Any, members: dict[str, str]) -> int:
    if not isinstance(items, list):
        raise RefusalError("the field is not there")
    wanted = members.items()
    found = [i for i, item in enumerate(items) if isinstance(item, dict) and all(item.get(k) == v for k, v in wanted)]
    if len(found) != 1:
        raise RefusalError("several items have the same name" if found else "the field is not there")
    return found[0]


def grow(tree: Tree, steps: tuple[Step, ...], fix: Fix) -> None:
    """Add a fix to the tree. The same one again, as two rules may ask, is no other.

    Raises:
        RefusalError: another fix changes the field, or what it is in.
    """
    at = tree
    for step in steps[:-1]:
        below = at.setdefault(step, {})
        if not isinstance(below, dict):
            raise RefusalError("another fix changes what the field is in")
        at = below
    there = at.setdefault(steps[-1], fix)
    if there is not fix and (isinstance(there, dict) or not _same(there, fix)):
        raise RefusalError("another fix changes the same field")


def _same(one: Fix, other: Fix) -> bool:
    if isinstance(one, SetField) and isinstance(other, SetField):
        return _equal(one.value, other.value)
    return isinstance(one, RemoveField) and isinstance(other, RemoveField)


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: ``1`` is not ``true``."""
    if one is _NOTHING or other is _NOTHING:
        return False
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(other, order="deterministic")


def applied(value: Any, tree: Tree | Fix) -> Any:
    """What a value becomes. ``None`` is also what is not there."""
    if isinstance(tree, SetField):
        return tree.value
    if isinstance(tree, RemoveField):
        return None
    gone = {step for step, below in tree.items() if isinstance(below, RemoveField)}
    if isinstance(value, list):
        kept = ((i, item) for i, item in enumerate(value) if i not in gone)
        return [applied(item, tree[i]) if i in tree else item for i, item in kept]
    old = value or {}
    new = {name: applied(item, tree[name]) if name in tree else item for name, item in old.items() if name not in gone}
    return new | {name: applied(None, below) for name, below in tree.items() if name not in old}
