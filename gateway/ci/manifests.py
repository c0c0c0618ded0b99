"""Manifests in files: documents with a kind, lists taken apart, each as the request that would create it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from gateway.ci.inputs import Content, Problem
from gateway.core.finding import Location
from gateway.core.subject import GroupVersionKind, Subject, UserInfo, created
from gateway.native.manifests import lines_of, read_files

MAX_OBJECT_BYTES = 3 * 1024 * 1024
"""What an API server takes as the body of a request."""
_MAX_NESTING = 4


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""


class _Object(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    metadata: _Metadata | None = None
    items: list[msgspec.Raw] | None = None


_decode = msgspec.json.Decoder(_Object).decode


class Manifest(msgspec.Struct, frozen=True):
    """One object in a file. ``line``: where its document begins; ``prefix``: its path in it, if it is a list's item.

    ``text``: the file from that line to the next document; empty where the object was rendered, and has no lines of its own.
    """

    subject: Subject
    path: str
    line: int
    prefix: str
    text: bytes

    def locations(self, fields: Sequence[str]) -> list[Location]:
        """Where fields stand in the file."""
        if not fields:
            return []
        if not self.text:
            return [Location(self.path, self.line)] * len(fields)
        paths = [f"{self.prefix}.{field}" if self.prefix else field for field in fields]
        return [Location(self.path, self.line + line - 1) for line in lines_of(self.text, paths)]


def locations(manifests: Sequence[Manifest], fields: Sequence[Sequence[str]]) -> list[list[Location]]:
    """Where the fields of each stand; a document is looked through once, however many of the objects are its items."""
    found: list[list[Location]] = [[] for _ in manifests]
    documents: dict[tuple[str, int], list[int]] = {}
    for index, one in enumerate(manifests):
        if fields[index] and one.text and one.prefix:
            documents.setdefault((one.path, one.line), []).append(index)
        else:
            found[index] = one.locations(fields[index]) if fields[index] else []
    for indexes in documents.values():
        paths = [f"{manifests[index].prefix}.{field}" for index in indexes for field in fields[index]]
        first = manifests[indexes[0]]
        lines = iter(lines_of(first.text, paths))
        for index in indexes:
            found[index] = [Location(first.path, first.line + next(lines) - 1) for _ in fields[index]]
    return found


class Other(msgspec.Struct, frozen=True):
    """A document that is no Kubernetes object. ``number``: which one of the file, from 1; 0 if it is the only one. The
    rest: as of a manifest.
    """

    json: bytes
    path: str
    line: int
    text: bytes
    number: int


class Read(msgspec.Struct):
    """What a batch of files holds. ``others``: documents that are no Kubernetes objects. ``skipped``: items of
    lists that are none.
    """

    manifests: list[Manifest]
    problems: list[Problem]
    others: list[Other] = []
    skipped: int = 0
    documents: dict[str, list[int]] = {}
    """By path, the lines in which documents begin."""


def read_manifests(contents: Sequence[Content], *, namespace: str = "", user: UserInfo | None = None) -> Read:
    """The objects in files, in their order. ``namespace``: of objects that name none; ``user``: who would ask."""
    defaults = _Defaults(namespace, user or UserInfo())
    read = Read([], [])
    for content, file in zip(contents, read_files([content.data for content in contents]), strict=True):
        read.documents[content.path] = [document.line for document in file.documents]
        lines = content.data.splitlines() if content.rendered else []
        texts = _texts(content.data, read.documents[content.path])
        for index, (document, text) in enumerate(zip(file.documents, texts, strict=True)):
            whole = (content.path, document.line, text)
            if content.rendered:
                whole = (_source_of(content.path, lines, document.line), 1, b"")
            for found in _objects(document.json, whole, "", defaults, 0):
                if isinstance(found, Manifest):
                    read.manifests.append(found)
                elif isinstance(found, bytes):
                    number = index + 1 if len(file.documents) > 1 else 0
                    read.others.append(Other(found, *whole, number))
                elif found is None:
                    read.skipped += 1
                else:
                    read.problems.append(found)
        if file.problem is not None:
            read.problems.append(Problem(content.path, file.problem.line, file.problem.message))
    return read


class _Defaults(msgspec.Struct, frozen=True):
    namespace: str
    user: UserInfo


_Whole = tuple[str, int, bytes]
"""Path, the document's line, the file from there to the next document."""


def _objects(
    raw: bytes, whole: _Whole, prefix: str, defaults: _Defaults, depth: int
) -> Iterator[Manifest | Problem | bytes | None]:
    """What a document is; its own bytes, if it is no object, and None for an item of a list that is none."""
    path, line, text = whole
    other = raw if depth == 0 else None
    try:
        found = _decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        yield Problem(path, line, f"is no Kubernetes object: {error}") if _means_object(raw) else other
        return
    if not found.api_version or not found.kind:
        yield other
        return
    if found.items is not None and found.kind.endswith("List"):
        if depth >= _MAX_NESTING:
            yield Problem(path, line, "lists are nested too deeply")
            return
        for index, item in enumerate(found.items):
            below = f"{prefix}.items[{index}]" if prefix else f"items[{index}]"
            yield from _objects(bytes(item), whole, below, defaults, depth + 1)
        return
    if len(raw) > MAX_OBJECT_BYTES:
        yield Problem(path, line, f"the object has more than {MAX_OBJECT_BYTES} bytes: no API server takes it")
        return
    yield Manifest(_subject(raw, found, defaults), path, line, prefix, text)


def _means_object(raw: bytes) -> bool:
    """Whether something that is no Kubernetes object was meant to be one."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return True
    return isinstance(found, dict) and "apiVersion" in found and "kind" in found


def _subject(raw: bytes, found: _Object, defaults: _Defaults) -> Subject:
    group, _, version = found.api_version.rpartition("/")
    metadata = found.metadata or _Metadata()
    kind = GroupVersionKind(group, version, found.kind)
    name, space = metadata.name or metadata.generate_name, metadata.namespace or defaults.namespace
    return created(raw, kind, namespace=space, name=name, user=defaults.user)


_SOURCE = b"# Source: "


def _source_of(path: str, lines: list[bytes], line: int) -> str:
    """The file that a rendered document comes from, as far as it says so: Helm's comment above it names the template."""
    for number in range(min(line, len(lines)) - 1, -1, -1):
        if lines[number].startswith(_SOURCE):
            _, _, name = lines[number].removeprefix(_SOURCE).decode(errors="replace").strip().partition("/")
            return os.path.join(os.path.dirname(path), name)  # noqa: PTH118, PTH120 - "./x" stays "./x"
        if lines[number].startswith(b"---"):
            break
    return path


def _texts(data: bytes, lines: Sequence[int]) -> list[bytes]:
    """The file from each of the lines, which never go back, to the next one; to its end, where two are the same."""
    starts: list[int] = []
    at, line = 0, 1
    for wanted in lines:
        while line < wanted:
            at = data.find(b"\n", at) + 1
            line += 1
        starts.append(at)
    return [data[start:end] if start < end else data[start:] for start, end in pairwise((*starts, len(data)))]
