"""Field paths: FieldsV1 keys in, text for people out, and patterns over them.

A path is a tuple of FieldsV1 keys: ``("f:spec", "f:containers", 'k:{"name":"api"}', "f:image")``.
Source: structured-merge-diff ``fieldpath/serialize-pe.go``: ``f:`` field, ``k:`` list element by its key fields,
``v:`` set element by its value, ``i:`` list element by index, ``.`` the node itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

Path = tuple[str, ...]

LABELS: Path = ("f:metadata", "f:labels")
ANNOTATIONS: Path = ("f:metadata", "f:annotations")
OWNER_REFERENCES: Path = ("f:metadata", "f:ownerReferences")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
RESTARTED_AT: Path = ("f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt")

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*\Z")
_MAX_TEXT = 400


@lru_cache(maxsize=4096)
def list_key(key: str) -> tuple[tuple[str, Any], ...]:
    """The key fields of a ``k:`` key: ``k:{"name":"api"}`` is ``(("name", "api"),)``; empty if it is not readable."""
    try:
        decoded = msgspec.json.decode(key[2:])
    except msgspec.DecodeError:
        return ()
    return tuple(decoded.items()) if isinstance(decoded, dict) else ()


@lru_cache(maxsize=4096)
def set_value(key: str) -> tuple[Any, ...]:
    """The value of a ``v:`` key, in a 1-tuple; empty if it is not readable."""
    try:
        return (msgspec.json.decode(key[2:]),)
    except msgspec.DecodeError:
        return ()


def path_text(path: Path) -> str:
    """The path for people: ``spec.containers[name=api].image``, ``metadata.labels["app.kubernetes.io/name"]``."""
    text = ""
    for key in path:
        mark, name = key[:2], key[2:]
        if mark == "f:":
            plain = _PLAIN.match(name)
            text += (f".{name}" if text else name) if plain else f"[{_quoted(name)}]"
        elif mark == "k:":
            text += "[" + ",".join(f"{k}={_scalar(v)}" for k, v in list_key(key)) + "]"
        elif mark == "v:":
            text += "[=…]"  # the element of a set is a value, and values are shown by name of the field only
        else:
            text += f"[{name}]"
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


@lru_cache(maxsize=1024)
def parse_pattern(pattern: str) -> tuple[str, ...]:
    """A field pattern of the configuration: ``spec.containers[].resources`` as ``f:``-keys, ``[]`` for any element.

    Field names with dots are written in brackets: ``metadata.annotations["example.com/x"]``.
    """
    steps: list[str] = []
    for match in re.finditer(r'\["((?:[^"\\]|\\.)*)"\]|(\[\*?\])|([^.\[\]]+)', pattern):
        quoted, element, name = match.groups()
        if element:
            steps.append("[]")
        else:
            steps.append("f:" + (name if quoted is None else quoted.replace('\\"', '"')))
    return tuple(steps)


def covers(pattern: str, path: Path) -> bool:
    """Whether the pattern names ``path`` or something above it; ``*`` covers everything."""
    if pattern == "*":
        return True
    steps = parse_pattern(pattern)
    if len(steps) > len(path):
        return False
    return all(
        not key.startswith("f:") if step == "[]" else step == key for step, key in zip(steps, path, strict=False)
    )


def covered(patterns: Iterable[str], path: Path) -> bool:
    """Whether any of the patterns covers ``path``."""
    return any(covers(pattern, path) for pattern in patterns)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if re.fullmatch(r"[\w./:@+-]+", value) else _quoted(value)
    return msgspec.json.encode(value).decode()


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
