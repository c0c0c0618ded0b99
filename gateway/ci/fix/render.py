"""Values as they are written into a manifest: YAML that every reader takes for the same, or JSON."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_MEANS_ELSE = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))


class Style(msgspec.Struct, frozen=True):
    """How values are written. ``strict``: as JSON; ``tight``: without spaces after commas and colons."""

    strict: bool = False
    tight: bool = False

    @property
    def comma(self) -> str:
        """Between members."""
        return "," if self.tight else ", "

    @property
    def colon(self) -> str:
        """Between a name and its value."""
        return ":" if self.tight else ": "


def flow(value: Any, style: Style) -> str:
    """On one line, with braces and brackets."""
    if isinstance(value, dict):
        return "{" + style.comma.join(member(name, item, style) for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + style.comma.join(flow(item, style) for item in value) + "]"
    if isinstance(value, str) and not style.strict and _PLAIN.fullmatch(value) and value.lower() not in _MEANS_ELSE:
        return value
    return msgspec.json.encode(value).decode()


def member(name: str, value: Any, style: Style) -> str:
    """``name: value`` on one line."""
    return flow(name, style) + style.colon + flow(value, style)


def block(name: str, value: Any, indent: int, step: int) -> list[str]:
    """A member in lines of its own; maps in it too."""
    head = " " * indent + flow(name, Style()) + ":"
    if isinstance(value, dict) and value:
        below = (line for key, item in value.items() for line in block(key, item, indent + step, step))
        return [head, *below]
    return [f"{head} {flow(value, Style())}"]
