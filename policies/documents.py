"""The input documents of rules."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path

import msgspec

from policies.rule import Asked, Rule


class Input(Enum):
    """What a rule is given: the review, the review without managed fields, the object alone, or with its file's name."""

    REVIEW = auto()
    LEAN = auto()
    OBJECT = auto()
    NAMED = auto()


def document_of(asked: Asked) -> bytes:
    """The input document: the AdmissionRequest as it was sent, with what Gatekeeper adds to it.

    That is the Namespace object where it is known, and on DELETE the old object as ``object``. Of two members of one
    name Go's decoder takes the last one.
    """
    subject = asked.subject
    parts = [subject.raw_request[:-1]]
    if asked.namespace is not None:
        parts.append(b'"namespaceObject":' + msgspec.json.encode(asked.namespace))
    if subject.operation == "DELETE" and subject.raw_old_object:
        parts.append(b'"object":' + subject.raw_old_object)
    body = b",".join(part for part in parts if part != b"{")
    return b'{"review":' + (body if body.startswith(b"{") else b"{" + body) + b"}}"


def document(asked: Asked, kind: Input) -> bytes:
    """The input document of this kind; the object alone is on DELETE the one that would go."""
    if kind is Input.OBJECT:
        return asked.subject.raw_object or asked.subject.raw_old_object
    if kind is Input.NAMED:
        return b'{"document":' + document(asked, Input.OBJECT) + b',"file":' + msgspec.json.encode(_file(asked)) + b"}"
    return document_of(asked)


def _file(asked: Asked) -> dict[str, str]:
    """As Conftest has it in ``data.conftest.file``."""
    if asked.file is None:
        return {}
    path = Path(asked.file).absolute()
    return {"name": path.name, "dir": str(path.parent)}


_MANAGED_FIELDS = tuple(f"input.review.{name}.metadata.managedFields" for name in ("object", "oldObject"))


def input_of(rule: Rule, references: Iterable[str] | None) -> Input:
    """Managed fields are half of many a review: they are read only for a rule that may look at them."""
    if rule.named:
        return Input.NAMED
    if rule.whole:
        return Input.OBJECT
    if rule.lean or (references is not None and not any(map(_may_read_managed_fields, references))):
        return Input.LEAN
    return Input.REVIEW


def _may_read_managed_fields(reference: str) -> bool:
    """Whether the reference leads there, or to something that holds them."""
    return any(path.startswith(reference) or reference.startswith(path) for path in _MANAGED_FIELDS)
