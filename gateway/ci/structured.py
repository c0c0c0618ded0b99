"""What structured files hold that are no manifests: each document as Conftest gives it to its rules, with its lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import msgspec

from gateway.ci.inputs import Content, Problem
from gateway.ci.manifests import Other
from gateway.core.finding import Location
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from gateway.native.documents import lines_in, read_documents
from gateway.native.manifests import lines_of

KIND = "File"
"""What the resource of a finding is, whose name is the file's path, with ``#2`` for the second document of several."""


class Document(msgspec.Struct, frozen=True):
    """One document of a file. ``prefix``: its path, if it is an element of a list. ``parser``: empty for YAML and JSON.

    ``text``: the file from the document's line on, empty where it has no lines of its own.
    """

    subject: Subject
    path: str
    line: int
    prefix: str
    text: bytes
    parser: str = ""


def locate(found: Sequence[tuple[Document, Sequence[str]]]) -> list[list[Location]]:
    """Where fields of documents stand in their files."""
    paths = [[_joined(document.prefix, field) for field in fields] for document, fields in found]
    foreign = iter(
        lines_in([(one.parser, one.text, path) for (one, _), path in zip(found, paths, strict=True) if one.parser])
    )
    located = []
    for (one, fields), path in zip(found, paths, strict=True):
        known = bool(one.text and path)
        lines = next(foreign) if one.parser else lines_of(one.text, path) if known else [1] * len(fields)
        located.append([Location(one.path, one.line + line - 1) for line in lines])
    return located


class Structured(msgspec.Struct):
    """What a batch of files holds."""

    documents: list[Document]
    problems: list[Problem]


def read_structured(contents: Sequence[Content], others: Sequence[Other]) -> Structured:
    """The documents of files that Conftest's parsers read, after those of YAML and JSON files that are no objects."""
    read = Structured([document for other in others for document in _of_yaml(other)], [])
    files = read_documents([(content.parser, content.data) for content in contents]) if contents else []
    for content, file in zip(contents, files, strict=True):
        for index, document in enumerate(file.documents):
            number = index + 1 if len(file.documents) > 1 else 0
            subject = _subject(content.path, number, document.json)
            read.documents.append(Document(subject, content.path, 1, "", content.data, content.parser))
        if file.problem is not None:
            read.problems.append(
                Problem(content.path, file.problem.line, f"not readable as {content.parser}: {file.problem.message}")
            )
    return read


def _of_yaml(other: Other) -> Iterator[Document]:
    """As Conftest has it: a list that is all of a file is a document for each element, a list among others is one."""
    elements = msgspec.json.decode(other.json, type=list[msgspec.Raw]) if _is_lone_list(other) else None
    if elements is None:
        yield Document(_subject(other.path, other.number, other.json), other.path, other.line, "", other.text)
        return
    for index, element in enumerate(elements):
        number = index + 1 if len(elements) > 1 else 0
        yield Document(_subject(other.path, number, bytes(element)), other.path, other.line, f"[{index}]", other.text)


def _is_lone_list(other: Other) -> bool:
    return not other.number and other.json.lstrip().startswith(b"[")


def _joined(prefix: str, field: str) -> str:
    return f"{prefix}.{field}" if prefix and field and not field.startswith("[") else prefix + field


def _subject(path: str, number: int, raw: bytes) -> Subject:
    return Subject(
        uid="",
        operation="CREATE",
        kind=GroupVersionKind(kind=KIND),
        resource=GroupVersionResource(),
        user=UserInfo(),
        name=f"{name_of(path)}#{number}" if number else name_of(path),
        raw_object=raw,
    )


def name_of(path: str) -> str:
    """The same wherever the command runs in a clone, as long as it runs at its top."""
    name = os.path.normpath(path)
    here = Path.cwd()
    return str(PurePath(name).relative_to(here)) if PurePath(name).is_relative_to(here) else name
