"""What becomes of a stored object when one of its members is written or removed. Pure."""

from __future__ import annotations

from typing import Any

from gateway_secrets.stores.errors import ForeignError, UnusableError
from gateway_secrets.stores.values import go_json, parse_json

MANAGED = ("managed-by", "external-secrets")
"""The mark of secrets that were pushed, by ESO or here; those without it are somebody else's."""


def check_managed(marks: Any, key: str) -> None:
    """Whether a secret with these tags may be changed.

    Raises:
        ForeignError: it was not made by pushing.
    """
    if marks.get(MANAGED[0]) != MANAGED[1]:
        raise ForeignError(
            f"{key}: is there, and was not made by pushing: remove it, or mark it as {MANAGED[0]}={MANAGED[1]}"
        )


def with_member(current: bytes | None, name: str, value: bytes, *, key: str) -> bytes:
    """The document with one member set; all of it is ``value`` without a name. Numbers stay as they are written.

    Raises:
        UnusableError: what is there is no JSON object, or the value is no text.
    """
    if not name:
        return value
    members = _members(current, key)
    try:
        members[name] = value.decode()
    except UnicodeDecodeError:
        raise UnusableError(f"{key}: {name}: a value that is not UTF-8 cannot be a member of a JSON object") from None
    return go_json(members, html=False)


def without_member(current: bytes, name: str, *, key: str) -> bytes | None:
    """The document without one member; None if nothing is left of it.

    Raises:
        UnusableError: what is there is no JSON object.
    """
    members = _members(current, key) if name else {}
    members.pop(name, None)
    return go_json(members, html=False) if members else None


def as_object(document: bytes, *, key: str) -> bytes:
    """A JSON object in the one form in which two of them can be compared.

    Raises:
        UnusableError: it is none.
    """
    return go_json(_members(document, key), html=False)


def _members(current: bytes | None, key: str) -> dict[str, Any]:
    try:
        found = parse_json(current) if current else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnusableError(f"{key}: no JSON object, which it has to be here")
    return found
