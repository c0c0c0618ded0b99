"""Reading YAML and JSON that may hold secrets: as Kubernetes reads them, with errors that quote nothing.

The native library reads; without it, a reader in Python that agrees with it, but refuses aliases. What either says about
a document it cannot read may quote the document ("unknown anchor 'hunter2'"): such text never gets out of here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from gateway.config.yaml import read_yaml_stream
from gateway.core.errors import ConfigError
from gateway.native.library import NativeMissingError
from gateway.native.manifests import Document as Text
from gateway.native.manifests import Problem, read_files
from gateway_secrets.sealed.errors import InputError

_MAX_NESTING = 4
_MAX_DEPTH = 100
_SOMETHING = re.compile(r"\S")
_QUOTES_NOTHING = re.compile(r"not readable as YAML: ([a-zA-Z ]+)")


class Document(msgspec.Struct, frozen=True):
    """One document, as JSON values. ``line``: where it begins, from 1."""

    line: int
    value: Any


def read_documents(data: bytes, *, source: str) -> list[Document]:
    """The documents in a file; empty ones are left out.

    Raises:
        InputError: it cannot be read; names ``source`` and the line.
    """
    try:
        file = read_files([data])[0]
    except NativeMissingError:
        return _without_library(data, source)
    if file.problem is not None:
        raise InputError(f"{source}:{file.problem.line}: {_said(file.problem)}")
    return [found for one in file.documents if (found := _decoded(one, source)).value is not None]


def objects(document: Document, *, source: str) -> Iterator[dict[str, Any]]:
    """The object of a document, or those of a List.

    Raises:
        InputError: it is no Kubernetes object.
    """
    yield from _objects(document.value, f"{source}:{document.line}", 0)


def _objects(value: Any, where: str, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("apiVersion", "kind")):
        raise InputError(f"{where}: is no Kubernetes object: it has no apiVersion and kind")
    items = value.get("items")
    if not value["kind"].endswith("List") or not isinstance(items, list):
        yield value
        return
    if depth >= _MAX_NESTING:
        raise InputError(f"{where}: lists are nested too deeply")
    for item in items:
        yield from _objects(item, where, depth + 1)


def _decoded(document: Text, source: str) -> Document:
    try:
        value = msgspec.json.decode(document.json)
    except RecursionError:
        value = None
    else:
        if not _deep(value, _MAX_DEPTH):
            return Document(document.line, value)
    raise InputError(f"{source}:{document.line}: is nested too deeply")


def _deep(value: Any, left: int) -> bool:
    """Whether there is more nesting than ``left`` levels."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left < 0 or any(_deep(item, left - 1) for item in items)


def _without_library(data: bytes, source: str) -> list[Document]:
    try:
        text = data.decode()
        if text.lstrip().startswith("{"):
            with suppress(ValueError, RecursionError):  # then it may be YAML in flow style
                return list(_json(text))
        return [Document(line, value) for line, value in read_yaml_stream(text, source=source)]
    except UnicodeDecodeError:
        raise InputError(f"{source}: is no UTF-8") from None
    except ConfigError as error:
        raise InputError(str(error)) from None


def _json(text: str) -> Iterator[Document]:
    """JSON documents that follow one another."""
    decoder, at = json.JSONDecoder(object_pairs_hook=_once), 0
    while found := _SOMETHING.search(text, at):
        value, at = decoder.raw_decode(text, found.start())
        yield Document(text.count("\n", 0, found.start()) + 1, value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _said(problem: Problem) -> str:
    """What is wrong, unless the words could be the document's own."""
    if "already set in map" in problem.message:
        return "a key is there twice"
    known = _QUOTES_NOTHING.fullmatch(problem.message)
    return known[1] if known else "is no YAML that Kubernetes reads"
