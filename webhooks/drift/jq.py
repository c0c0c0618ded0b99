"""The part of jq in which people name fields to ignore: paths, indexes, iteration and ``select`` by equality.

``.spec.containers[] | select(.name == "proxy") | .image`` and ``.metadata.annotations["example.com/x"]`` are read;
anything else is refused by name, so that what cannot be evaluated here is never taken for ignored, nor for enforced.
Source: jq 1.7 manual, "Basic filters"; Argo CD evaluates ``del(<path>)`` with gojq.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError

MAX_CHARS = 2_000


class Field(msgspec.Struct, frozen=True):
    """``.name``: one field."""

    name: str


class Index(msgspec.Struct, frozen=True):
    """``[n]``: one element."""

    at: int


class Each(msgspec.Struct, frozen=True):
    """``[]``: every element or value."""


class Select(msgspec.Struct, frozen=True):
    """``select(.path == "literal")``; ``equal`` is false for ``!=``."""

    path: tuple[str, ...]
    value: Any
    equal: bool


Step = Field | Index | Each | Select

_SEGMENT = re.compile(
    r'\.?\["(?P<quoted>(?:[^"\\]|\\.)*)"\]\??'
    r'|\."(?P<dotted>(?:[^"\\]|\\.)*)"\??'
    r"|\.?\[(?P<index>-?\d+)\]\??"
    r"|\.?(?P<each>\[\])\??"
    r"|\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)\??",
    re.ASCII,
)
_SELECT = re.compile(
    r'select\(\s*(?P<path>(?:\.[A-Za-z_][A-Za-z0-9_]*|\.?\["[^"\\]*"\])+)\s*(?P<op>==|!=)\s*(?P<value>"(?:[^"\\]|\\.)*"|-?\d+|true|false)\s*\)',
    re.ASCII,
)


class Budget:
    """How many nodes may still be visited."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Take from what is left.

        Raises:
            UndecidedError: there is not enough.
        """
        self._left -= steps
        if self._left < 0:
            raise UndecidedError("the ignore rules of the owner are too much work for this object")


@lru_cache(maxsize=512)
def parse(expression: str) -> tuple[tuple[Step, ...], ...]:
    """The paths that the expression names; alternatives are separated by commas.

    Raises:
        UndecidedError: the expression is of another form, or too long.
    """
    if len(expression) > MAX_CHARS:
        raise UndecidedError("a jq expression to ignore is too long")
    try:
        return tuple(tuple(_parse_pipe(part, expression)) for part in _split(expression, ","))
    except msgspec.DecodeError:  # an escape or a number that JSON does not have
        raise _unsupported(expression) from None


def delete(node: Any, steps: Sequence[Step], budget: Budget) -> None:
    """Delete from ``node``, in place, everything that the path names.

    Raises:
        UndecidedError: the budget does not suffice.
    """
    if not steps:
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Select):
        if _selected(step, node):
            delete(node, rest, budget)
        return
    keys = _keys(node, step)
    budget.spend(1 + len(keys))
    if any(not isinstance(s, Select) for s in rest):
        for key in keys:
            delete(node[key], rest, budget)
        return
    filters = [s for s in rest if isinstance(s, Select)]
    doomed = [key for key in keys if all(_selected(s, node[key]) for s in filters)]
    for key in reversed(doomed):
        del node[key]


def _keys(node: Any, step: Step) -> list[Any]:
    if isinstance(step, Field):
        return [step.name] if isinstance(node, dict) and step.name in node else []
    if isinstance(step, Index):
        if not isinstance(node, list) or not -len(node) <= step.at < len(node):
            return []
        return [step.at % len(node)]
    if isinstance(node, dict):
        return list(node)
    return list(range(len(node))) if isinstance(node, list) else []


def _selected(select: Select, node: Any) -> bool:
    for name in select.path:
        node = node.get(name) if isinstance(node, dict) else None
    equal = node == select.value and isinstance(node, bool) is isinstance(select.value, bool)
    return equal is select.equal


def _parse_pipe(text: str, whole: str) -> list[Step]:
    steps: list[Step] = []
    for part in _split(text, "|"):
        steps += _parse_stage(part.strip(), whole)
    if not any(not isinstance(step, Select) for step in steps):
        raise _unsupported(whole)
    return steps


def _parse_stage(text: str, whole: str) -> list[Step]:
    selected = _SELECT.fullmatch(text)
    if selected:
        path = tuple(name for name in map(_name, _SEGMENT.finditer(selected["path"])) if name is not None)
        return [Select(path, msgspec.json.decode(selected["value"]), selected["op"] == "==")]
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _SEGMENT.match(text, at)
        if match is None:
            raise _unsupported(whole)
        name = _name(match)
        if name is not None:
            steps.append(Field(name))
        elif match["index"] is not None:
            steps.append(Index(int(match["index"])))
        else:
            steps.append(Each())
        at = match.end()
    if not steps and text != ".":
        raise _unsupported(whole)
    return steps


def _name(match: re.Match[str]) -> str | None:
    if match["name"] is not None:
        return match["name"]
    quoted = match["quoted"] if match["quoted"] is not None else match["dotted"]
    return None if quoted is None else msgspec.json.decode(f'"{quoted}"', type=str)


def _split(text: str, separator: str) -> list[str]:
    """Split at the top level only: not in strings, parentheses or brackets."""
    parts, depth, quoted, start, escaped = [], 0, False, 0, False
    for at, char in enumerate(text):
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _unsupported(expression: str) -> UndecidedError:
    return UndecidedError(f"the jq expression {expression[:120]!r} in an ignore rule is not supported here")
