"""Which declared fields differ between two versions of an object, without any schema.

The declared set is a FieldsV1 tree. Only its own leaves are walked, and only below nodes that differ at all: the cost
follows the size of the change, not of the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import msgspec

from gateway.core.errors import UndecidedError
from webhooks.drift.paths import Path, list_key, set_value

FieldsV1 = dict[str, Any]

_encode = msgspec.json.encode


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""No such field. JSON ``null`` counts as missing: the API server drops it from typed objects."""


class Change(msgspec.Struct, frozen=True):
    """One declared field that differs; ``new`` is :data:`MISSING` where it was removed."""

    path: Path
    old: Any
    new: Any


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, with booleans and numbers told apart (``1 == True`` in Python)."""
    if left is right:
        return True
    if left != right:
        return False
    if isinstance(left, str):
        return True
    # Equal in Python; equal bytes settle it without a walk (other bytes may only be another order of keys).
    return _encode(left) == _encode(right) or _same_types(left, right)


def _same_types(left: Any, right: Any) -> bool:
    """For values that compare equal: whether no boolean faces a number."""
    if isinstance(left, dict):
        return all(_same_types(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(map(_same_types, left, right))
    return isinstance(left, bool) is isinstance(right, bool)


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
        self._max_depth = max_depth

    def walk(self, fields: FieldsV1, old: Any, new: Any, path: Path) -> None:
        """Compare every declared child of the node at ``path``."""
        if len(path) > self._max_depth:
            raise UndecidedError("the declared fields are nested too deeply")
        before = len(self.found)
        keyed = False
        for key, below in fields.items():
            if key == ".":
                continue
            if key.startswith("f:"):
                self._compare(below, field_of(old, key), field_of(new, key), (*path, key))
            else:
                keyed = keyed or key.startswith("k:")
                self._compare(below, element_of(old, key), element_of(new, key), (*path, key))
        if keyed and len(self.found) == before and _order(fields, old) != _order(fields, new):
            self.found.append(Change(path, old, new))

    def _compare(self, below: FieldsV1, before: Any, after: Any, path: Path) -> None:
        if same(before, after):
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
        for shape in self._shapes:
            node: Any = shape
            for key in path:
                node = node.get(key) if isinstance(node, dict) else None
            if isinstance(node, dict) and has_children(node):
                return True
        return False


def has_children(fields: FieldsV1) -> bool:
    """Whether a node of a set has anything below it (``.`` is the node itself)."""
    return bool(fields) and (len(fields) > 1 or "." not in fields)


def _is_metadata_map(path: Path) -> bool:
    """Labels and annotations are reported key by key, even where the whole map is removed."""
    return path[-1] in {"f:labels", "f:annotations"} and len(path) > 1 and path[-2] == "f:metadata"


def field_of(node: Any, key: str) -> Any:
    """The value of the field that an ``f:`` key names."""
    value = node.get(key[2:], MISSING) if isinstance(node, dict) else MISSING
    return MISSING if value is None else value


def element_of(node: Any, key: str) -> Any:
    """The element that ``key`` names. Several with the same key come as one list of them: then all must be equal."""
    if not isinstance(node, list):
        return MISSING
    mark = key[:2]
    if mark == "k:":
        found = _matching(node, key)
        if len(found) == 1:
            return found[0]
        return found or MISSING
    if mark == "v:":
        wanted = set_value(key)
        return wanted[0] if wanted and any(same(item, wanted[0]) for item in node) else MISSING
    index = int(key[2:]) if key[2:].isdigit() else -1
    return node[index] if 0 <= index < len(node) else MISSING


def _matching(node: list[Any], key: str) -> list[Any]:
    """Elements with these key fields; a key field that an element lacks (a default not written) is no mismatch."""
    wanted = list_key(key)
    if len(wanted) == 1:
        name, value = wanted[0]
        return [item for item in node if isinstance(item, dict) and same(item.get(name), value)]
    exact = [i for i in node if isinstance(i, dict) and all(same(i.get(name), value) for name, value in wanted)]
    if exact:
        return exact
    return [
        item
        for item in node
        if isinstance(item, dict)
        and any(name in item for name, _ in wanted)
        and all(name not in item or same(item[name], value) for name, value in wanted)
    ]


def _order(fields: FieldsV1, node: Any) -> list[str]:
    """The declared keys in the order in which their elements stand in ``node``."""
    if not isinstance(node, list):
        return []
    placed: list[tuple[int, str]] = []
    for key in fields:
        if key.startswith("k:"):
            matching = _matching(node, key)
            if matching:
                placed.append((next(i for i, item in enumerate(node) if item is matching[0]), key))
    return [key for _, key in sorted(placed)]


def leaves(fields: FieldsV1, path: Path = ()) -> list[Path]:
    """Every leaf of a declared set; a map that is declared without children is a leaf too."""
    found: list[Path] = []
    for key, below in fields.items():
        if key == ".":
            continue
        if has_children(below):
            found += leaves(below, (*path, key))
        else:
            found.append((*path, key))
    return found


def value_at(node: Any, path: Path) -> Any:
    """The value at ``path``, or :data:`MISSING`."""
    for key in path:
        node = field_of(node, key) if key.startswith("f:") else element_of(node, key)
        if node is MISSING:
            return MISSING
    return node


def lost(old: FieldsV1, new: FieldsV1, path: Path = ()) -> list[Path]:
    """The leaves of ``old`` that ``new`` does not have."""
    if old == new:
        return []
    found: list[Path] = []
    for key, below in old.items():
        if key == ".":
            continue
        other = new.get(key)
        if other is None:
            found += leaves(below, (*path, key)) if has_children(below) else [(*path, key)]
        elif has_children(below):
            found += lost(below, other, (*path, key))
    return found
