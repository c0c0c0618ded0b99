"""Changing objects in the text of a YAML file, so that comments, order and all that is not changed stay as they are.

Only what differs between an object as it was and as it should be is touched: values are replaced where they stand, keys
are put in and taken out by lines. The result is read again; if it does not say exactly what it should, which aliases and
flow style can cause, the documents are written anew instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from gateway_secrets.sealed.documents import read_documents
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.render import render, scalar

Json = dict[str, Any]
_Edit = tuple[int, int, str]
"""From, to (counted in characters), and what comes there."""


class Updated(msgspec.Struct, frozen=True):
    """The new text. ``rewritten``: the documents were written anew, and comments are lost."""

    text: str
    rewritten: bool = False


def update(text: str, before: Sequence[Json], after: Sequence[Json]) -> Updated:
    """The text with each document that it holds, ``before``, turned into the one ``after``."""
    if list(before) == list(after):
        return Updated(text)
    if text.lstrip().startswith("{"):
        return Updated(
            "".join(render(document, "json") for document in after), rewritten=not _json(text) and "#" in text
        )
    edited = _edited(text, before, after)
    if edited is not None:
        return Updated(edited)
    return Updated("".join(render(document, "yaml") for document in after), rewritten="#" in text)


def _edited(text: str, before: Sequence[Json], after: Sequence[Json]) -> str | None:
    """The text after the edits; None if that is not what was meant."""
    nodes = [node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if not _empty(node)]
    if len(nodes) != len(before) or not all(isinstance(node, yaml.MappingNode) for node in nodes):
        return None
    edits: list[_Edit] = []
    for node, old, new in zip(nodes, before, after, strict=True):
        edits += _differences(text, node, old, new)
    made, at = [], 0
    for start, end, replacement in sorted(edits, key=lambda edit: edit[:2]):
        if start < at:
            return None
        made += [text[at:start], replacement]
        at = end
    result = "".join((*made, text[at:]))
    if "\r\n" in text:
        result = result.replace("\r\n", "\n").replace("\n", "\r\n")
    try:
        found = [document.value for document in read_documents(result.encode(), source="")]
    except InputError:
        return None
    return result if _canonical(found) == _canonical(after) else None


def _canonical(documents: Sequence[Any]) -> bytes:
    """Equal for what is equal in JSON: ``1`` is not ``true`` there."""
    return msgspec.json.encode(list(documents), order="sorted")


def _differences(text: str, node: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Edit]:
    entries = [(name.value, name, value) for name, value in node.value]
    if node.flow_style or not entries:
        return
    for word, name, value in entries:
        if word not in new:
            yield _line_start(text, name.start_mark.index), _next_line(text, _end(text, value)), ""
        elif new[word] != old.get(word):
            yield from _changed(text, name, value, old.get(word), new[word])
    yield from _inserted(text, entries, {word: item for word, item in new.items() if word not in old})


def _changed(text: str, name: Any, value: Any, old: Any, new: Any) -> Iterator[_Edit]:
    if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style and isinstance(new, dict) and new:
        yield from _differences(text, value, old, new)
        return
    start, end = name.end_mark.index + 1, _end(text, value)
    if isinstance(new, dict | list) and new:
        indent = " " * name.start_mark.column
        yield start, end, "\n" + "\n".join(_lines({"": new}, indent)[1:])
    else:
        yield start, end, f" {scalar(new) if not isinstance(new, dict | list) else '{}'}"


def _inserted(text: str, entries: Sequence[tuple[str, Any, Any]], items: Mapping[str, Any]) -> Iterator[_Edit]:
    """New keys come after the one that sorts before them where keys are sorted, else at the end."""
    words = [word for word, _, _ in entries]
    indent = " " * entries[0][1].start_mark.column
    for word, item in sorted(items.items()):
        lines = "".join(f"{line}\n" for line in _lines({word: item}, indent))
        earlier = [index for index, other in enumerate(words) if other < word]
        index = (earlier[-1] if earlier else -1) if words == sorted(words) else len(words) - 1
        if index < 0:
            at = _line_start(text, entries[0][1].start_mark.index)
        else:
            at = _next_line(text, _end(text, entries[index][2]))
            if at == len(text) and not text.endswith("\n"):
                lines = "\n" + lines.removesuffix("\n")
        yield at, at, lines


def _lines(item: Mapping[str, Any], indent: str) -> list[str]:
    """A mapping in YAML, without the ``---`` before it."""
    return [indent + line for line in render(item, "yaml").splitlines()[1:]]


def _end(text: str, node: Any) -> int:
    """Where a node's own text ends: before the comments and empty lines that follow it, which libyaml counts in."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1])
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        while text[end - 1] in "\r\n":
            end -= 1
    return end


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _next_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _empty(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
