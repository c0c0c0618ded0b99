"""Operations of JSON patches, as OPA reads them. Source: RFC 6902, RFC 6901."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def add(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Set a member, whether it is there or not."""
    return {"op": "add", "path": pointer(path), "value": value}


def remove(path: Sequence[str]) -> dict[str, Any]:
    """Remove a member that is there."""
    return {"op": "remove", "path": pointer(path)}


def pointer(path: Sequence[str]) -> str:
    """A JSON pointer; in OPA's, percent signs are escapes as well."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1").replace("%", "%25") for part in path)
