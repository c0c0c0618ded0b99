"""A YAML file as sops writes it, cut into the lines of its keys, so that it can be put together anew from such pieces.

Whatever stands between two keys belongs to the later one, if it is a comment in its column, else to the former.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from gateway_secrets.sops.errors import MalformedError, UnsupportedError

_SEPARATOR = re.compile(r"^---[ \t]*\n", re.MULTILINE)


class Piece(msgspec.Struct, frozen=True):
    """The lines of a key: ``head`` comments, its own, and what is below it. ``column``: where the key begins.

    ``below``: the pieces of a block mapping, which are all the lines after the key's own; None for any other value.
    """

    lines: list[str]
    head: int
    column: int
    below: dict[str, Piece] | None = None
    headed: bool = True
    """Whether there is a line of its own: the keys before all sections of an INI file are in none that is named."""

    @property
    def own(self) -> list[str]:
        """The line of the key."""
        return self.lines[self.head : self.head + 1] if self.headed else []

    @property
    def comments(self) -> list[str]:
        """The comments above the key."""
        return [line.strip() for line in self.lines[: self.head]]

    def shifted(self, text: str, column: int) -> list[str]:
        """Its text, changed or not, as lines for another column."""
        more = column - self.column
        lines = text.splitlines(keepends=True)
        if more >= 0:
            return [" " * more + line if line.strip() else line for line in lines]
        return [line[-more:] if line[:-more].isspace() and line.strip() else line.lstrip(" ") for line in lines]


def cut(text: str) -> list[dict[str, Piece]]:
    """The pieces of each document.

    Raises:
        MalformedError: it is no YAML.
        UnsupportedError: it is not written in blocks, as sops does.
    """
    if not text.endswith("\n"):
        text += "\n"
    parts = _SEPARATOR.split(text)
    if len(parts) > 1 and not parts[0].strip():
        parts = parts[1:]
    try:
        roots = [yaml.compose(part, Loader=yaml.CSafeLoader) for part in parts]
    except (yaml.YAMLError, RecursionError):
        raise MalformedError("is not readable as YAML") from None
    return [_document(part, root) for part, root in zip(parts, roots, strict=True)]


def _document(text: str, root: Any) -> dict[str, Piece]:
    lines = text.splitlines(keepends=True)
    if not _is_block(root) or len(lines) != text.count("\n"):
        raise UnsupportedError("is not written as sops writes YAML: run sops rotate first")
    return _pieces(lines, root, 0, len(lines))


def _is_block(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _pieces(lines: list[str], node: Any, start: int, end: int) -> dict[str, Piece]:
    """The pieces of a block mapping; together they are the lines from ``start`` to ``end``."""
    keys = [key.start_mark.line for key, _ in node.value]
    column = node.value[0][0].start_mark.column
    starts = [start, *(_first(lines, line, column) for line in keys[1:])]
    found: dict[str, Piece] = {}
    for (key, value), line, first, last in zip(node.value, keys, starts, [*starts[1:], end], strict=True):
        below = None
        if _is_block(value):
            if value.start_mark.line == line:
                raise UnsupportedError("has an anchor or a tag on a mapping")
            below = _pieces(lines, value, line + 1, last)
        found[key.value] = Piece(lines[first:last], line - first, column, below)
    return found


def _first(lines: list[str], line: int, column: int) -> int:
    while line and lines[line - 1].startswith(" " * column + "#"):
        line -= 1
    return line
