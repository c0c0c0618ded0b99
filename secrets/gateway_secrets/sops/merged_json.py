"""The text of two SOPS files in JSON merged: written anew, as sops writes JSON, in the indentation of the file that is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway_secrets.sops.errors import MalformedError
from gateway_secrets.sops.sides import Leaf, Path, Side
from gateway_secrets.sops.threeway import MISSING, Take, below, decide, names
from gateway_secrets.sops.values import aad, encrypt

_INDENT = re.compile(r"\{\r?\n([ \t]*)")
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""What Go's encoder escapes besides what every encoder does."""


class _Number(str):
    """A number as it stands in the file."""

    __slots__ = ()


class _Conflict(NamedTuple):
    """Both alternatives; either may be missing."""

    ours: Any
    theirs: Any


def merge_json(mine: Side, other: Side, base: Mapping[str, Any]) -> tuple[str, list[Path]]:
    """The text, and the paths of conflicts. ``base``: the values that both come from.

    Raises:
        MalformedError: it is nested too deeply, or has a key twice.
    """
    try:
        kept, raw = _parsed(mine.text), _parsed(other.text)
        merger = _Merger(mine, other)
        merged = merger.mapping((base, mine.trees[0], other.trees[0]), (kept, raw), ())
        indent = _INDENT.match(mine.text)
        lines = _lines(merged | {"sops": kept["sops"]}, indent[1] if indent else "\t", 0)
    except RecursionError:
        raise MalformedError("is nested too deeply") from None
    return "\n".join(lines) + ("\n" if mine.text.endswith("\n") else ""), merger.conflicts


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=_object)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("has a key twice")
    return found


class _Merger:
    """Of three: the base's, those of the side that is kept, the other's. ``raw``: as the two files have it."""

    def __init__(self, mine: Side, other: Side) -> None:
        self._mine = mine
        self._other = other
        self.conflicts: list[Path] = []

    def mapping(
        self, trees: Sequence[Mapping[str, Any]], raw: Sequence[Mapping[str, Any]], path: Path
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in names(list(trees[1]), list(trees[2])):
            base, mine, theirs = (tree.get(name, MISSING) for tree in trees)
            kept, other = (one.get(name, MISSING) for one in raw)
            here = (*path, name)
            taken = decide(base, mine, theirs)
            if taken is Take.BELOW:
                found[name] = self.mapping((below(base), mine, theirs), (kept, other), here)
                continue
            if taken is not Take.OURS:
                other = self._over(other, theirs, mine, here)
            if taken is Take.NEITHER:
                self.conflicts.append(here)
                found[name] = _Conflict(kept, other) if self._mine.name == "ours" else _Conflict(other, kept)
            elif (value := kept if taken is Take.OURS else other) is not MISSING:
                found[name] = value
        return found

    def _over(self, raw: Any, tree: Any, mine: Any, path: Path) -> Any:
        """The other side's value, for our data key; what is the same on our side is as it stands there."""
        if isinstance(tree, dict):
            own = mine if isinstance(mine, dict) else {}
            return {name: self._over(raw[name], item, own.get(name), (*path, name)) for name, item in tree.items()}
        if isinstance(tree, list):
            same = mine if isinstance(mine, list) else []
            return [
                self._over(raw[at], item, same[at] if at < len(same) else None, path) for at, item in enumerate(tree)
            ]
        if not isinstance(tree, Leaf) or not tree.cipher:
            return raw
        if isinstance(mine, Leaf) and mine.cipher and mine == tree:
            return mine.cipher
        return raw if self._mine.key == self._other.key else encrypt(tree.plain, self._mine.key, aad(path))


def _lines(value: Any, indent: str, depth: int) -> list[str]:
    """A value as lines; the first is not indented."""
    if isinstance(value, dict) and value:
        return ["{", *_members(value, indent, depth + 1), f"{indent * depth}}}"]
    if isinstance(value, list) and value:
        found = ["["]
        for at, item in enumerate(value):
            first, *rest = _lines(item, indent, depth + 1)
            lines = [indent * (depth + 1) + first, *rest]
            found += [*lines[:-1], lines[-1] + ("," if at + 1 < len(value) else "")]
        return [*found, f"{indent * depth}]"]
    if isinstance(value, _Number):
        return [str(value)]
    return [_quoted(value) if isinstance(value, str) else json.dumps(value)]


def _members(value: Mapping[str, Any], indent: str, depth: int) -> list[str]:
    found: list[str] = []
    for at, (name, item) in enumerate(value.items()):
        comma = "," if at + 1 < len(value) else ""
        if isinstance(item, _Conflict):
            sides = [_member(name, one, indent, depth, comma) for one in item]
            found += ["<<<<<<< ours", *sides[0], "=======", *sides[1], ">>>>>>> theirs"]
        else:
            found += _member(name, item, indent, depth, comma)
    return found


def _member(name: str, item: Any, indent: str, depth: int, comma: str) -> list[str]:
    if item is MISSING:
        return []
    first, *rest = _lines(item, indent, depth)
    lines = [f"{indent * depth}{_quoted(name)}: {first}", *rest]
    return [*lines[:-1], lines[-1] + comma]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)
