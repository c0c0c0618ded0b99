"""Fields as findings name them, found again in an object. Pure. The other way: :func:`webhooks.drift.paths.path_text`."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from gateway.core.subject import GroupVersionKind, Json
from webhooks.drift.equality import MISSING
from webhooks.drift.fields import value_at
from webhooks.drift.paths import Path, path_text
from webhooks.drift.values import shown

_TEXT = r'"(?:[^"\\]|\\.)*"'
_STEP = re.compile(rf'\[(?P<quoted>{_TEXT})\]|\[(?P<element>(?:{_TEXT}|[^\]"])*)\]|\.?(?P<name>[A-Za-z_$][\w$-]*)')
_KEY = re.compile(rf"([A-Za-z_$][\w$-]*)=(?:{_TEXT}|[^,]*)")


def resolve(text: str, obj: Json) -> Path:
    """The path that ``text`` names in ``obj``; as far as it goes, where an element is not there or a text was cut."""
    path: list[str] = []
    node: Any = obj
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            break
        name, key = step["name"], ""
        if step["quoted"] is not None:
            name = msgspec.json.decode(step["quoted"])
        if name is not None:
            key = f"f:{name}"
            node = node.get(name, MISSING) if isinstance(node, dict) else MISSING
        else:
            key, node = _element(step["element"], node)
        if not key:
            break
        path.append(key)
        position = step.end()
    return tuple(path)


def whole(text: str, path: Path) -> bool:
    """Whether ``path`` is all of what ``text`` names."""
    return path_text(path) == text


def value_digest(kind: GroupVersionKind, text: str, obj: Json) -> str:
    """Of the field's value, if it is one that may be shown to people; else empty. What is absent has a digest as well."""
    path = resolve(text, obj)
    if not text or not whole(text, path):
        return ""
    value = value_at(obj, path)
    if value is not MISSING and shown(kind, path, value) is None:
        return ""
    encoded = b"" if value is MISSING else msgspec.json.encode(value, order="deterministic")
    return "sha256:" + hashlib.sha256(encoded).hexdigest()


def _element(text: str, node: Any) -> tuple[str, Any]:
    """The key of the element that is named so, and the element; an empty key if there is none."""
    if not isinstance(node, list):
        return "", MISSING
    if text.isdecimal():
        index = int(text)
        return (f"i:{index}", node[index]) if index < len(node) else ("", MISSING)
    names = _KEY.findall(text)
    for item in node if names else ():
        if isinstance(item, dict) and all(name in item for name in names):
            key = "k:" + msgspec.json.encode({name: item[name] for name in names}).decode()
            if path_text((key,)) == f"[{text}]":
                return key, item
    return "", MISSING
