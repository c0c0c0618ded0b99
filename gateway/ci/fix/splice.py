"""Changes of a document's text that make a tree of fixes true: only the lines, or parts of lines, that they are about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from gateway.ci.fix.nodes import Node, Nodes, in_one_piece, is_list, is_map, merges, name_of
from gateway.ci.fix.plan import RefusalError, Step, Tree, applied
from gateway.ci.fix.render import Style, block, flow, member
from gateway.core.finding import Fix, RemoveField, SetField

_REST = re.compile(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_COLON = re.compile(r"[ \t]*:")
_HEADER = re.compile(r"[|>][-+0-9]*")
_LEADS = re.compile(r" *(?:- +)*\Z")
_DASH = re.compile(r" *- *\Z")
_BY_HAND = "the way it is written here leaves it to a person"


class Splice(NamedTuple):
    """Characters of the text, and what takes their place."""

    start: int
    end: int
    text: str


def splices(text: str, document: Any, tree: Tree) -> list[Splice]:
    """The changes, in order, none over another.

    Raises:
        RefusalError: a field cannot be changed without changing others; says which.
    """
    editor = _Editor(text)
    if _emptied(document, tree):
        raise RefusalError("nothing would be left")
    editor.edit(editor.nodes.root, document, tree, (), 2)
    found = sorted(editor.found)
    if any(one.end > other.start for one, other in pairwise(found)):
        raise RefusalError(_BY_HAND)
    return found


def spliced(text: str, changes: Sequence[Splice]) -> str:
    """The text with the changes."""
    parts: list[str] = []
    at = 0
    for start, end, new in changes:
        parts += (text[at:start], new)
        at = end
    return "".join((*parts, text[at:]))


def _emptied(value: Any, tree: Tree | Fix) -> bool:
    return (
        isinstance(tree, dict)
        and isinstance(value, dict | list)
        and len(tree) == len(value)
        and all(isinstance(below, RemoveField) for below in tree.values())
    )


class _Editor:
    """Walks a document and its tree of fixes side by side."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.nodes = Nodes(text)
        self.found: list[Splice] = []
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def edit(self, node: Node, value: Any, tree: Tree, steps: tuple[Step, ...], step: int) -> None:
        """Change what is in a map or list. ``step``: by how much maps are indented here."""
        if self.nodes.shared(node) or (is_map(node) and merges(node)):
            raise RefusalError("the field is reached through an alias or a merge key", steps)
        if is_map(node) and isinstance(value, dict) and len(node.value) == len(value):
            self._map(node, value, tree, steps, step)
        elif is_list(node) and isinstance(value, list) and len(node.value) == len(value):
            self._list(node, value, tree, steps, step)
        else:
            self._refuse(steps)

    def _map(self, node: Node, value: Any, tree: Tree, steps: tuple[Step, ...], step: int) -> None:
        names = [name_of(key) for key, _ in node.value]
        kept = [entry for entry, name in zip(node.value, names, strict=True) if not _gone(tree, name)]
        for (key, item), name in zip(node.value, names, strict=True):
            below = tree.get(name) if name is not None else None
            if isinstance(below, SetField) or below:
                self._member((key, item), value.get(name), below, (*steps, name or ""), _deeper(key, item, step))
        if len(kept) < len(names):
            self._remove(node, [_gone(tree, name) for name in names], steps)
        added = {str(name): applied(None, below) for name, below in tree.items() if name not in names}
        if added and node.flow_style:
            self._add_in_braces(node, kept, added, steps)
        elif added:
            self._add_lines(node, kept, added, steps, step)

    def _list(self, node: Node, value: Any, tree: Tree, steps: tuple[Step, ...], step: int) -> None:
        for index, item in enumerate(node.value):
            below = tree.get(index)
            if below is None or isinstance(below, RemoveField):
                continue
            if isinstance(below, dict) and not _emptied(value[index], below) and value[index] is not None:
                self.edit(item, value[index], below, (*steps, index), step)
            elif in_one_piece(item) and item.start_mark.index < item.end_mark.index and not self.nodes.shared(item):
                self._put(item.start_mark.index, item.end_mark.index, self._flow(applied(value[index], below)))
            else:
                self._refuse((*steps, index))
        gone = [_gone(tree, index) for index in range(len(value))]
        if any(gone):
            self._remove(node, gone, steps)

    def _member(
        self, entry: tuple[Node, Node], value: Any, below: Tree | Fix, steps: tuple[Step, ...], step: int
    ) -> None:
        key, item = entry
        if isinstance(below, RemoveField):
            return
        if isinstance(below, dict) and value is not None and not _emptied(value, below):
            self.edit(item, value, below, steps, step)
            return
        if self.nodes.shared(item):
            raise RefusalError("the field is reached through an alias", steps)
        new = self._flow(applied(value, below))
        start, end = item.start_mark.index, item.end_mark.index
        if in_one_piece(item):
            self._put(start, end, new if start < end else f" {new}")
            return
        colon = _COLON.match(self.text, key.end_mark.index)
        rest = _REST.match(self.text, colon.end()) if colon else None
        last = self.nodes.end(item)
        header = _HEADER.match(self.text, start)
        if header:  # a block scalar: its header goes, and its lines
            below_header = _REST.match(self.text, header.end())
            if below_header is None:
                self._refuse(steps)
            self._put(start, header.end(), new)
            self._put(below_header.end(), max(end, below_header.end()), "")
        elif colon is None or rest is None or last is None or start < rest.end():
            self._refuse(steps)
        else:  # a comment beside the name stays
            self._put(colon.end(), colon.end(), f" {new}")
            self._put(self._line(start), self._next_line(last, steps), "")

    def _remove(self, node: Node, gone: Sequence[bool], steps: tuple[Step, ...]) -> None:
        parts = [(key, item) if is_map(node) else (item, item) for key, item in _pairs(node)]
        ends = [self.nodes.end(item) for _, item in parts]
        first = 0
        while first < len(gone):
            last = first
            while last < len(gone) and gone[last]:
                last += 1
            if last > first and node.flow_style:
                self._cut_run(parts, ends, first, last, steps)
            elif last > first:
                for index in range(first, last):
                    self._cut_lines(parts, ends, index, is_list(node), steps)
            first = last + 1

    def _cut_run(
        self,
        parts: Sequence[tuple[Node, Node]],
        ends: Sequence[int | None],
        first: int,
        last: int,
        steps: tuple[Step, ...],
    ) -> None:
        """Take out ``first`` up to ``last``, in braces or brackets, with the commas that part them from the rest."""
        start, stop = ends[first - 1] if first else parts[0][0].start_mark.index, ends[last - 1]
        if last < len(parts):
            start, stop = parts[first][0].start_mark.index, parts[last][0].start_mark.index
        if start is None or stop is None or None in ends[first:last]:
            self._refuse(steps)
        if "#" in self.text[start:stop] and "\n" in self.text[start:stop]:  # perhaps a comment about what stays
            self._refuse(steps)
        self._put(start, stop, "")

    def _cut_lines(
        self,
        parts: Sequence[tuple[Node, Node]],
        ends: Sequence[int | None],
        index: int,
        in_list: bool,
        steps: tuple[Step, ...],
    ) -> None:
        start, end = parts[index][0].start_mark.index, ends[index]
        if end is None or any(self.nodes.shared(one) for one in parts[index]):
            raise RefusalError("the field is an alias, or has one", steps)
        lead = self.text[self._line(start) : start]
        if not lead.strip(" ") or (in_list and _DASH.match(lead)):
            self._put(self._line(start), self._next_line(end, steps), "")
        elif index == 0 and len(parts) > 1 and not in_list and _LEADS.match(lead):
            following = parts[1][0].start_mark.index  # beside the dash of an item: what follows takes its place
            if self.text[self._next_line(end, steps) : following].strip(" "):
                self._refuse(steps)
            self._put(start, following, "")
        else:
            self._refuse(steps)

    def _add_lines(
        self, node: Node, kept: Sequence[Any], added: dict[str, Any], steps: tuple[Step, ...], step: int
    ) -> None:
        """Put members below the last that stays, or where the first was that goes."""
        ended = ((key, end) for key, item in reversed(kept) if (end := self.nodes.end(item)) is not None)
        key, end = next(ended, (node.value[0][0], None))
        lead = self.text[self._line(key.start_mark.index) : key.start_mark.index]
        if end is None and (kept or lead.strip(" ")):
            self._refuse(steps)
        if not _LEADS.match(lead):
            self._refuse(steps)
        lines = [line for name, item in added.items() for line in block(name, item, key.start_mark.column, step)]
        at = self._line(key.start_mark.index) if end is None else self._next_line(end, steps)
        new = self._newline.join(lines)
        whole = at == 0 or self.text[at - 1] == "\n"
        self._put(at, at, f"{new}{self._newline}" if whole else f"{self._newline}{new}")

    def _add_in_braces(self, node: Node, kept: Sequence[Any], added: dict[str, Any], steps: tuple[Step, ...]) -> None:
        if not node.value:
            at = self.text.index("{", node.start_mark.index) + 1
            self._put(at, at, self._flow(added)[1:-1])
            return
        key, item = kept[-1] if kept else node.value[0]
        end = self.nodes.end(item)
        if end is None:
            self._refuse(steps)
        lead = self.text[self._line(key.start_mark.index) : key.start_mark.index]
        colon = self.text[key.end_mark.index : item.start_mark.index]
        style = self._style(tight=colon == ":")
        between = f",{self._newline}{lead}" if not lead.strip() and lead else style.comma
        new = between.join(member(name, value, style) for name, value in added.items())
        if kept:
            self._put(end, end, between + new)
        else:
            self._put(key.start_mark.index, key.start_mark.index, new)

    def _style(self, *, tight: bool = False) -> Style:
        return Style(strict=self.nodes.json, tight=tight and self.nodes.json)

    def _flow(self, value: Any) -> str:
        return flow(value, self._style())

    def _put(self, start: int, end: int, new: str) -> None:
        self.found.append(Splice(start, end, new))

    def _line(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _next_line(self, at: int, steps: tuple[Step, ...]) -> int:
        """Where the next line begins, if nothing but a comment follows in this one."""
        if at and self.text[at - 1] == "\n":
            return at
        rest = _REST.match(self.text, at)
        if rest is None:
            self._refuse(steps)
        return rest.end()

    def _refuse(self, steps: tuple[Step, ...]) -> NoReturn:
        raise RefusalError(_BY_HAND, steps)


def _gone(tree: Tree, name: Step | None) -> bool:
    return name is not None and isinstance(tree.get(name), RemoveField)


def _pairs(node: Node) -> list[tuple[Node, Node]]:
    return list(node.value) if is_map(node) else [(item, item) for item in node.value]


def _deeper(key: Node, item: Node, step: int) -> int:
    """By how much the map below a name is indented."""
    if not is_map(item) or item.flow_style or not item.value:
        return step
    found = item.value[0][0].start_mark.column - key.start_mark.column
    return int(found) if found > 0 else step
