"""Fields of objects that anybody may have written: of the wrong type, they are as if they were not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.subject import Json


def section(document: Mapping[str, Any], field: str) -> Json:
    """A mapping below a field."""
    found = document.get(field)
    return found if isinstance(found, dict) else {}


def texts(document: Mapping[str, Any], field: str) -> dict[str, str]:
    """What of a mapping below a field is text."""
    return {key: item for key, item in section(document, field).items() if isinstance(item, str)}


def text(value: Any) -> str:
    """Text."""
    return value if isinstance(value, str) else ""


def controller(document: Mapping[str, Any]) -> Json:
    """The ownerReference of the object's controller; empty if it has none."""
    owners = section(document, "metadata").get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            return owner
    return {}


def group_of(api_version: Any) -> str:
    """The group of an apiVersion; empty for the core group."""
    return text(api_version).rpartition("/")[0]
