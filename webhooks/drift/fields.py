"""Which declared fields differ between two versions of an object, without any schema.

The declared set is a FieldsV1 tree. Only its own leaves are walked, and only below nodes that differ at all: the cost
follows the size of the change, not of the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from webhooks.drift.elements import Elements
from webhooks.drift.equality import MISSING, same
from webhooks.drift.paths import Path

FieldsV1 = dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """One declared field that differs; ``new`` is :data:`MISSING` where it was removed."""

    path: Path
    old: Any
    new: Any


def changes(
    fields: FieldsV1,
    old: Any,
    new: Any,
    *,
    shapes: Sequence[FieldsV1] = (),
    max_depth: int = 100,
) -> list[Change]:
    """The declared fields that differ between ``old`` and ``new``.

    A leaf is compared whole (an atomic list, an atomic map); a keyed list element by its keys wherever it stands;
    declared elements that changed their order among each other are a change of the list. ``shapes`` are what all
    managers own, before and after: a map that is declared empty is one that others may fill only where somebody owns
    a part of it, which the API server allows in granular maps alone.

    Raises:
        UndecidedError: the declared set is nested deeper than ``max_depth``.
    """
    differ = _Differ(shapes, max_depth)
    differ.walk(fields, old, new, ())
    return differ.found


class _Differ:
    """One walk over the declared set and the two versions side by side."""

    def __init__(self, shapes: Sequence[FieldsV1], max_depth: int) -> None:
        self.found: list[Change] = []
        self._shapes = shapes
        self._everything: FieldsV1 | None = None
        self._max_depth = max_depth

    def walk(self, fields: FieldsV1, old: Any, new: Any, path: Path) -> None:
        """Compare every declared child of the node at ``path``."""
        if len(path) > self._max_depth:
            raise too_deep()
        found_before = len(self.found)
        old_fields, new_fields = old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}
        elements: tuple[Elements, Elements] | None = None
        for key, below in fields.items():
            if key.startswith("f:"):
                name = key[2:]
                before, after = old_fields.get(name), new_fields.get(name)
            elif key == ".":
                continue
            else:
                if elements is None:
                    elements = Elements(old), Elements(new)
                before, after = elements[0].get(key), elements[1].get(key)
            # Most fields do not differ: no path is made for them.
            if before is not after and not same(before, after):
                self._compare(below, _present(before), _present(after), (*path, key))
        if elements and len(self.found) == found_before and elements[0].order(fields) != elements[1].order(fields):
            self.found.append(Change(path, old, new))

    def _compare(self, below: FieldsV1, before: Any, after: Any, path: Path) -> None:
        if before is after:
            return
        if not has_children(below):
            if not (isinstance(after, dict | list) and self._granular(path)):
                self.found.append(Change(path, before, after))
            return
        repeated = path[-1].startswith("k:") and (isinstance(before, list) or isinstance(after, list))
        comparable = isinstance(after, dict | list) and (before is MISSING or type(before) is type(after))
        if _is_metadata_map(path) or (comparable and not repeated):
            self.walk(below, before, after, path)
        else:
            self.found.append(Change(path, before, after))

    def _granular(self, path: Path) -> bool:
        """Whether somebody owns a part of what stands at ``path``."""
        if self._everything is None:
            self._everything = {}
            for shape in self._shapes:
                _merge(self._everything, shape)
        node: Any = self._everything
        for key in path:
            node = node.get(key)
            if node is None:
                return False
        return has_children(node)


def _merge(into: FieldsV1, fields: FieldsV1) -> None:
    for key, below in fields.items():
        node = into.setdefault(key, {})
        if isinstance(below, dict):
            _merge(node, below)


def has_children(fields: Any) -> bool:
    """Whether a node of a set has anything below it (``.`` is the node itself)."""
    return isinstance(fields, dict) and bool(fields) and (len(fields) > 1 or "." not in fields)


def _is_metadata_map(path: Path) -> bool:
    """Labels and annotations are reported key by key, even where the whole map is removed."""
    return path[-1] in {"f:labels", "f:annotations"} and len(path) > 1 and path[-2] == "f:metadata"


def _present(value: Any) -> Any:
    return MISSING if value is None else value


def field_of(node: Any, key: str) -> Any:
    """The value of the field that an ``f:`` key names."""
    value = node.get(key[2:], MISSING) if isinstance(node, dict) else MISSING
    return MISSING if value is None else value


def value_at(node: Any, path: Path) -> Any:
    """The value at ``path``, or :data:`MISSING`."""
    for key in path:
        node = field_of(node, key) if key.startswith("f:") else Elements(node).get(key)
        if node is MISSING:
            return MISSING
    return node


def taken(owned: FieldsV1, kept: FieldsV1, old: Any, new: Any, *, depth: int) -> bool:
    """Whether ``kept`` lacks a leaf of ``owned`` whose value is the same in ``old`` and ``new``.

    Raises:
        UndecidedError: the set is nested deeper than ``depth``.
    """
    if depth < 0:
        raise too_deep()
    elements: tuple[Elements, Elements] | None = None
    for key, below in owned.items():
        other = kept.get(key)
        if key == "." or other == below or (other is not None and not has_children(below)):
            continue
        if key.startswith("f:"):
            left, right = field_of(old, key), field_of(new, key)
        else:
            elements = elements or (Elements(old), Elements(new))
            left, right = elements[0].get(key), elements[1].get(key)
        if has_children(below):
            if taken(below, other if isinstance(other, dict) else {}, left, right, depth=depth - 1):
                return True
        elif left is not MISSING and same(left, right):
            return True
    return False


def adds(old: FieldsV1, new: FieldsV1, *, depth: int) -> bool:
    """Whether ``new`` has a path that ``old`` lacks.

    Raises:
        UndecidedError: the set is nested deeper than ``depth``.
    """
    if depth < 0:
        raise too_deep()
    for key, below in new.items():
        other = old.get(key)
        if other is None:
            return True
        if (
            other != below
            and isinstance(below, dict)
            and isinstance(other, dict)
            and adds(other, below, depth=depth - 1)
        ):
            return True
    return False


def too_deep() -> UndecidedError:
    """A set that is nested beyond what is walked."""
    return UndecidedError("the declared fields are nested too deeply")
