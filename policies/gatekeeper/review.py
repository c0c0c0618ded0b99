"""What Gatekeeper gives its rules as ``input.review``: an AdmissionRequest, from a request or from an object alone."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.errors import MalformedRequestError
from gateway.core.subject import Json
from policies.gatekeeper.match import Candidate, Source

_MOST_DIGITS = 6
"""Go writes a float64 with more digits before the point, or more than 4 zeros after it, with an exponent."""
_LEAST_EXPONENT = -4


class Reviewed(msgspec.Struct, frozen=True):
    """One thing to judge: the AdmissionRequest, what constraints are matched with, and the Namespace that rules see.

    Gatekeeper's webhook shows rules the Namespace of a request; ``gator`` shows them none, and matches with it only.
    """

    request: Json
    candidate: Candidate
    namespace: Json | None = None

    @property
    def operation(self) -> str:
        """CREATE, UPDATE, DELETE, CONNECT, or empty for an object that no request is about."""
        operation = self.request.get("operation")
        return operation if isinstance(operation, str) else ""

    def document(self) -> bytes:
        """The input of the rules. Numbers are written as Gatekeeper's rules see them, who went through float64."""
        review = {**self.request, "namespaceObject": self.namespace or {}}
        return msgspec.json.encode({"review": as_float64(review)})


def of_object(
    document: Json, *, namespace: Json | None = None, source: Source = "Original", operation: str = ""
) -> Reviewed:
    """An object outside of any request, as ``gator`` judges files, or one that the object of a request implies."""
    group, _, version = str(document.get("apiVersion", "")).rpartition("/")
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    request = {
        "uid": "",
        "kind": {"group": group, "version": version, "kind": document.get("kind", "")},
        "resource": {"group": "", "version": "", "resource": ""},
        **{key: metadata[key] for key in ("name", "namespace") if metadata.get(key)},
        "operation": operation,
        "userInfo": {},
        "object": document,
        "oldObject": document if operation == "DELETE" else None,
        "options": None,
    }
    return Reviewed(request, Candidate((document,), namespace, source))


def of_request(request: Json, *, namespace: Json | None = None, source: Source = "Original") -> Reviewed:
    """An AdmissionRequest. On DELETE the object is the one that goes.

    Raises:
        MalformedRequestError: a DELETE without the old object.
    """
    request = {"uid": "", "operation": "", "userInfo": {}, "object": None, "oldObject": None, "options": None} | request
    old: Any = request["oldObject"]
    if request["operation"] == "DELETE":
        if not isinstance(old, dict):
            raise MalformedRequestError("oldObject cannot be nil for DELETE operations")
        request["object"] = old
    both: tuple[Any, Any] = (request["object"], old)
    objects = tuple(one for one in both if isinstance(one, dict))
    return Reviewed(request, Candidate(objects, namespace, source), namespace)


def as_float64(value: Any) -> Any:
    """A document to be encoded, its numbers as Go writes a float64."""
    if isinstance(value, dict):
        return {key: as_float64(below) for key, below in value.items()}
    if isinstance(value, list):
        return [as_float64(below) for below in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return msgspec.Raw(go_float(float(value)).encode())


def go_float(value: float) -> str:
    """A float64 as Go's strconv writes it with ``'g', -1``: ``1e+06``, ``0.25``, ``12``."""
    sign, digits, point = _shortest(value)
    exponent = point - 1
    if exponent < _LEAST_EXPONENT or exponent >= _MOST_DIGITS:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole = digits[:point].ljust(point, "0")
    return f"{sign}{whole}.{digits[point:]}" if len(digits) > point else f"{sign}{whole}"


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, the fewest digits that stand for the number, and how many of them are before the point."""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + ("" if fraction == "0" else fraction)
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0")
    if not stripped:
        return ("-" if str(value).startswith("-") else "", "0", 1)
    return ("-" if value < 0 else "", stripped, point)
