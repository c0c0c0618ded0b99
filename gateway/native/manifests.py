"""YAML and JSON files as Kubernetes' own clients read them: strictly, with the lines where documents begin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.native.library import call, frames

Step = str | int | dict[str, str]
"""A field's name, a list index, or members that the element of a list has."""

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[([^\]]*)\]|([^.\[\]]+)')


class Document(msgspec.Struct, frozen=True):
    """One document: the line it begins in, counted from 1, and its content as JSON."""

    line: int
    json: bytes


class Problem(msgspec.Struct, frozen=True):
    """Why a file could not be read to its end; documents before it are there all the same."""

    line: int
    message: str


class File(msgspec.Struct, frozen=True):
    """What a file holds."""

    documents: tuple[Document, ...]
    problem: Problem | None = None


class _Head(msgspec.Struct):
    lines: list[int]
    problem: Problem | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def read_files(contents: Sequence[bytes]) -> list[File]:
    """Read files, several at a time. Duplicate keys, bytes that are not UTF-8 and alias bombs are problems.

    Raises:
        NativeMissingError: there is no native library.
    """
    parts = unframed(call("yaml.documents", frames(contents)))
    files = []
    for part in parts:
        head = _decode_head(part)
        documents = tuple(Document(line, next(parts)) for line in head.lines)
        files.append(File(documents, head.problem))
    return files


def lines_of(document: bytes, paths: Sequence[str]) -> list[int]:
    """The line of each field path within a document's text, counted from its first line.

    A path such as ``spec.containers[name=app].image`` that is not there is where its longest existing part is.
    """
    request = msgspec.json.encode([steps_of(path) for path in paths])
    return msgspec.json.decode(call("yaml.positions", frames((document, request))), type=list[int])


def steps_of(path: str) -> list[Step]:
    """The steps of a field path: names, ``["quoted names"]``, ``[0]``, ``[key=value,…]``."""
    steps: list[Step] = []
    for quoted, index, members, name in _STEP.findall(path):
        if index:
            steps.append(int(index))
        elif members:
            steps.append(_members(members))
        else:
            steps.append(name or _unquoted(quoted))
    return steps


def _members(text: str) -> Any:
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: _unquoted(value[1:-1]) if value[:1] == '"' else value for name, _, value in pairs}


def _unquoted(text: str) -> str:
    try:
        return msgspec.json.decode(f'"{text}"', type=str)
    except msgspec.DecodeError:
        return text


def unframed(data: bytes) -> Iterator[bytes]:
    """The parts of a frame list."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        yield data[at + 4 : end]
        at = end
