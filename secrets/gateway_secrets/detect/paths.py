"""Where a value is in a document, as a path that findings name: ``spec.containers[name=api].env[0].value``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_NAME = re.compile(r"[A-Za-z0-9_./:-]{1,80}\Z")
_LONGEST = 120


class Place(msgspec.Struct, frozen=True):
    """A step and the place that it starts from; made for what may be something, and written out only for what is.

    ``step``: a member's name, or a list and the index in it.
    """

    above: Place | None
    step: str | tuple[list[Any], int]

    def __str__(self) -> str:
        steps: list[str] = []
        place: Place | None = self
        while place is not None:
            steps.append(_written(place.step))
            place = place.above
        return "".join(reversed(steps)).removeprefix(".")


MASKED = '["(masked)"]'


def _written(step: str | tuple[list[Any], int]) -> str:
    if isinstance(step, tuple):
        return _element(*step)
    if step == MASKED:
        return MASKED
    return f".{step}" if _SIMPLE.match(step) else f"[{msgspec.json.encode(step[:_LONGEST]).decode()}]"


def _element(items: list[Any], index: int) -> str:
    """An element of a list is called by its name, if it has one that no other has."""
    item = items[index]
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not _NAME.match(name):
        return f"[{index}]"
    others = sum(isinstance(other, dict) and other.get("name") == name for other in items)
    return f"[name={name}]" if others == 1 else f"[{index}]"
