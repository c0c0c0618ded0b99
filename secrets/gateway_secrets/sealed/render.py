"""SealedSecrets as text: YAML that every reader takes for the same object, or JSON.

Own code because no writer quotes what Go's reader needs quoted (``1e3``, ``y``, ``0o12`` as labels), and because nothing
may fold a sealed value. The output depends on nothing but the object: sealing the same again changes no byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Format = Literal["yaml", "json"]

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/+=._-]*")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9/._-]*")
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def render(document: Mapping[str, Any], output: Format) -> str:
    """One document, ending in a line break; YAML begins with ``---``."""
    if output == "json":
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    return "---\n" + "".join(f"{line}\n" for line in _mapping(document, ""))


def scalar(value: str | float | None) -> str:
    """A scalar in YAML, on one line."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if value.isprintable() and value.isascii() and '"' in value and "'" not in value:
        return f"'{value}'"
    return _NOT_PRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False))


def key(name: str) -> str:
    """A key of a mapping."""
    return name if _PLAIN_KEY.fullmatch(name) and name.lower() not in _WORDS else scalar(name) if name else '""'


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, dict | list) and item:
            yield f"{indent}{key(name)}:"
            yield from _mapping(item, indent + "  ") if isinstance(item, dict) else _list(item, indent + "  ")
        else:
            yield f"{indent}{key(name)}: {_leaf(item)}"


def _list(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict | list) and item:
            lines = list(_mapping(item, indent + "  ") if isinstance(item, dict) else _list(item, indent + "  "))
            yield f"{indent}- {lines[0].lstrip()}"
            yield from lines[1:]
        else:
            yield f"{indent}- {_leaf(item)}"


def _leaf(item: Any) -> str:
    if isinstance(item, dict | list):
        return "{}" if isinstance(item, dict) else "[]"
    return scalar(item)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
