"""The input of an evaluation as a server gets it: bytes that are passed on as they are, numbers to the digit."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.config.opa import Decision
from policies.engine import Failed

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.encode
_check = msgspec.json.Decoder(msgspec.Raw).decode


def checked(document: bytes) -> msgspec.Raw | Failed:
    """The document, if it is JSON."""
    try:
        return _check(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Failed("input", f"the input is no JSON: {error}")


def input_of(decision: Decision, document: msgspec.Raw) -> Any:
    """What a decision is given: the object, or the review in the form that it expects, with its parameters."""
    if decision.input == "object":
        return document
    given: dict[str, Any] = {"parameters": decision.parameters} if decision.parameters else {}
    review = _decode(document)["review"]
    if decision.input == "review":
        return {"review": review, **given}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": review, **given}


def without_managed_fields(document: msgspec.Raw) -> msgspec.Raw:
    """A review whose objects are without ``metadata.managedFields``."""
    if b"managedFields" not in bytes(document):
        return document
    return _changed(document, "review", lambda review: _each(review, ("object", "oldObject")))


def _each(review: msgspec.Raw, names: tuple[str, ...]) -> msgspec.Raw:
    for name in names:
        review = _changed(review, name, lambda item: _changed(item, "metadata", _less))
    return review


def _less(metadata: msgspec.Raw) -> msgspec.Raw:
    members = _members(metadata)
    if members is None or members.pop("managedFields", None) is None:
        return metadata
    return msgspec.Raw(_encode(members))


def _changed(document: msgspec.Raw, name: str, change: Any) -> msgspec.Raw:
    """The document with one member changed, the same one if there is none."""
    members = _members(document)
    if members is None or name not in members:
        return document
    return msgspec.Raw(_encode({**members, name: change(members[name])}))


def _members(document: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _decode(document)
    except msgspec.DecodeError:
        return None
