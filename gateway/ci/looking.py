"""How a file is looked at: as objects and documents where it can be read as YAML or JSON, else as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.ci.inputs import Content
from gateway.core.finding import Resource
from gateway.native.manifests import File, lines_of, read_files
from gateway_secrets.detect import Hit, in_document, in_object, in_text, may_hold, style_of
from gateway_secrets.detect.findings import resource_of
from gateway_secrets.detect.text import in_comments

_STRUCTURED = (
    ".yaml",
    ".yml",
    ".json",
    ".tfstate",
    ".dockercfg",
    ".dockerconfigjson",
    ".webmanifest",
    ".jsonl",
    ".ndjson",
)
_MAX_NESTING = 4
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
"""What is larger is looked at as text: decoded, a document takes many times its size."""

_decode = msgspec.json.Decoder().decode


class Place(msgspec.Struct, frozen=True):
    """A hit, the line it is in, and the object it is in; None where there is none but the file."""

    hit: Hit
    line: int
    resource: Resource | None = None


class Document(msgspec.Struct, frozen=True):
    """A document of a file: the line in which it begins."""

    line: int


class Looked(msgspec.Struct):
    """What was found in a file."""

    places: list[Place] = []
    documents: list[Document] = []


def look(contents: Sequence[Content]) -> list[Looked]:
    """Look at files, in order.

    Raises:
        NativeMissingError: there is no library that reads YAML.
    """
    looked = [Looked() for _ in contents]
    structured = []
    for at, content in enumerate(contents):
        if not _is_structured(content):
            looked[at].places = [Place(hit, hit.line) for hit in in_text(content.data, style_of(content.path))]
        elif may_hold(content.data):
            structured.append(at)
    for at, file in zip(structured, read_files([contents[at].data for at in structured]), strict=True):
        _documents(contents[at], file, looked[at])
    return looked


def _is_structured(content: Content) -> bool:
    name = content.path.rpartition("/")[2].lower()
    if len(content.data) > MAX_DOCUMENT_BYTES:
        return False
    return name.endswith(_STRUCTURED) or (content.path == "standard input" and _seems_structured(content.data))


def _seems_structured(data: bytes) -> bool:
    return data.lstrip()[:1] == b"{" or b"apiVersion:" in data


def _documents(content: Content, file: File, looked: Looked) -> None:
    looked.documents = [Document(document.line) for document in file.documents]
    for document in file.documents:
        if len(file.documents) > 1 and not may_hold(document.json):
            continue  # of one document the file has told already
        text = _from_line(content.data, document.line)
        try:
            value = _decode(document.json)
        except (msgspec.DecodeError, RecursionError):
            looked.places += [Place(hit, document.line + hit.line - 1) for hit in in_text(document.json)]
            continue
        for resource, prefix, hits in _objects(value, "", 0):
            looked.places += _placed(hits, text, document.line, prefix, resource)
    looked.places += [Place(hit, hit.line) for hit in in_comments(content.data)]
    if file.problem is not None:
        # A template, or broken: what could not be read is looked at as text, from the document on that ends the reading.
        start = _start_of(content.data, file.problem.line) if file.documents else 0
        before = content.data.count(b"\n", 0, start)
        looked.places += [Place(hit, before + hit.line) for hit in in_text(content.data[start:])]


def _objects(value: Any, prefix: str, depth: int) -> Iterator[tuple[Resource | None, str, list[Hit]]]:
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("kind"), str)
        or not isinstance(value.get("apiVersion"), str)
    ):
        yield None, prefix, in_document(value)
        return
    items = value.get("items")
    if isinstance(items, list) and value["kind"].endswith("List") and depth < _MAX_NESTING:
        for index, item in enumerate(items):
            yield from _objects(item, f"{prefix}.items[{index}]" if prefix else f"items[{index}]", depth + 1)
        return
    if value["kind"] == "Config" and not isinstance(value.get("metadata"), dict):
        yield None, prefix, in_document(value)
        return
    yield resource_of(value), prefix, in_object(value)


def _placed(hits: Sequence[Hit], text: bytes, first: int, prefix: str, resource: Resource | None) -> Iterator[Place]:
    if not hits:
        return
    fields = [f"{prefix}.{hit.field}" if prefix else hit.field for hit in hits]
    lines = text.split(b"\n")
    for hit, field, line in zip(hits, fields, lines_of(text, fields), strict=True):
        opens = lines[line - 1].split(b"#")[0].rstrip() if 0 < line <= len(lines) else b""
        block = opens.rstrip(b"+-123456789").endswith((b"|", b">"))
        at = first + line - 1 + (hit.line if block else 0)
        found = hit if resource is not None or not prefix else msgspec.structs.replace(hit, field=field)
        yield Place(found, at, resource)


def _from_line(data: bytes, line: int) -> bytes:
    at = 0
    for _ in range(line - 1):
        at = data.find(b"\n", at) + 1
    return data[at:]


def _start_of(data: bytes, line: int) -> int:
    """Where the document begins in which a line is."""
    end = len(data) - len(_from_line(data, line))
    return max(data.rfind(b"\n---", 0, end) + 1, 0)
