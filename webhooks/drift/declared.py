"""The declared set: which fields of an object its reconciler states, read from the object itself.

Strong: the reconciler's ``Apply`` entries, what it states elsewhere (Config Sync's annotation), and its
``last-applied-configuration``. Weak: its ``Update`` entries, whose
fields move to whoever changes the value, and which name defaults too; so they count only where no
``last-applied-configuration`` says what was meant. They are not put aside for an ``Apply`` entry: anyone can have one
written in the reconciler's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.subject import Json
from webhooks.drift.elements import Elements
from webhooks.drift.equality import MISSING, same
from webhooks.drift.fields import FieldsV1, field_of, has_children
from webhooks.drift.managed import Entry, by, owns, string_map
from webhooks.drift.paths import ANNOTATIONS, LAST_APPLIED, list_key
from webhooks.drift.reconcilers.base import Reconciler

_NOT_INTENT = frozenset(("f:status", "f:apiVersion", "f:kind"))
_METADATA = ("f:labels", "f:annotations")
_LAST_APPLIED_PATH = (*ANNOTATIONS, f"f:{LAST_APPLIED}")


class Declared(msgspec.Struct, frozen=True):
    """Declared sets, each with the apiVersion that its paths are written in."""

    sets: tuple[tuple[str, FieldsV1], ...]
    last_applied: Json | None = None


def declared(old: Json, listed: list[Entry], reconciler: Reconciler, new: Json | None = None) -> Declared:
    """What the reconciler declares of ``old``.

    With ``new``, a client-side declaration is read only where the two differ: the rest cannot have changed.

    Raises:
        UndecidedError: its last-applied-configuration is not readable.
    """
    own = by(reconciler.managers, listed)
    applied = last_applied(old, listed, own) if reconciler.client_side else None
    if applied is None:
        sets = [(entry.api_version, entry.fields) for entry in own]
        return Declared(tuple((version, _intent(fields)) for version, fields in (*sets, *reconciler.stated(old))))
    shapes = [entry.fields for entry in listed]
    fields = _object_fields(applied, shapes, old, new if new is not None else MISSING)
    sets = [(entry.api_version, _intent(entry.fields)) for entry in own if entry.operation == "Apply"]
    return Declared((*sets, (str(applied.get("apiVersion", "")), _intent(fields))), applied)


def last_applied(old: Json, listed: list[Entry], own: list[Entry]) -> Json | None:
    """The client-side declaration, unless someone else than the reconciler wrote it."""
    text = string_map(old, "annotations").get(LAST_APPLIED)
    if not isinstance(text, str) or not text:
        return None
    # Nobody's (managedFields were reset) counts as the reconciler's; a person's own `kubectl apply` does not.
    writers = [entry for entry in listed if owns(entry, _LAST_APPLIED_PATH)]
    if writers and not any(entry in own for entry in writers):
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise UndecidedError(f"the annotation {LAST_APPLIED} is not readable") from None


def _intent(fields: FieldsV1) -> FieldsV1:
    """The set without status and without metadata that is not the author's to state."""
    intent = {key: below for key, below in fields.items() if key not in _NOT_INTENT and key != "f:metadata"}
    below = fields.get("f:metadata")
    if isinstance(below, dict):
        kept = {name: below[name] for name in _METADATA if name in below}
        if kept:
            intent["f:metadata"] = kept
    return intent


_Shapes = list[FieldsV1]
"""What managers own at one place, each."""


def _object_fields(value: Json, shapes: _Shapes, old: Any, new: Any) -> FieldsV1:
    """The declared children of a map, those left out that are the same in ``old`` and ``new``."""
    fields: FieldsV1 = {}
    children: Mapping[str, _Shapes] | None = None
    for name, item in value.items():
        if item is None:
            continue
        key = f"f:{name}"
        before, after = field_of(old, key), field_of(new, key)
        if same(before, after):
            continue
        if children is None:
            children = _children(shapes)
        below = _fields(item, children.get(key, []), before, after)
        if below is not None:
            fields[key] = below
    return fields


def _fields(value: Any, shapes: _Shapes, old: Any, new: Any) -> FieldsV1 | None:
    """The declared set that a value states: ``{}`` for a leaf, None where nothing of it differs.

    Whether a map is atomic, and how a list is keyed, is learnt from what managers own at that place.
    """
    atomic = bool(shapes) and not any(has_children(shape) for shape in shapes)
    if not isinstance(value, dict | list) or not value or atomic:
        return {}
    if isinstance(value, dict):
        return _object_fields(value, shapes, old, new) or None
    known = [key for shape in shapes for key in shape]
    if any(key.startswith("v:") for key in known):
        return {"v:" + msgspec.json.encode(item).decode(): {} for item in value}
    keys = [key for key in known if key.startswith("k:")]
    if not keys and not shapes and _named(value):
        keys = ['k:{"name":""}']
    return _keyed(value, keys, shapes, old, new) if keys else {}


def _keyed(value: list[Any], keys: list[str], shapes: _Shapes, old: Any, new: Any) -> FieldsV1:
    """The declared elements of a keyed list, each under the key by which managers know it."""
    names = tuple(name for name, _ in list_key(keys[0]))
    known = Elements([dict(list_key(key)) for key in keys])
    before, after, children = Elements(old), Elements(new), _children(shapes)
    fields: FieldsV1 = {}
    for item in value:
        if not isinstance(item, dict):
            return {}
        # A default that was left unwritten (a port's protocol) is in the key all the same.
        written = tuple(name for name in names if name in item)
        found = known.having(written, item) if written else []
        key = keys[found[0]] if found else _key_of(item, written)
        below = _object_fields(item, children.get(key, []), before.get(key), after.get(key))
        fields[key] = {".": {}, **{f"f:{name}": {} for name in written}, **below}
    return fields


def _key_of(item: Json, names: Iterable[str]) -> str:
    return "k:" + msgspec.json.encode({name: item[name] for name in names}).decode()


def _named(value: list[Any]) -> bool:
    """Whether a list of which no manager is known to own anything looks keyed by name."""
    names = [item.get("name") if isinstance(item, dict) else None for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _children(shapes: _Shapes) -> Mapping[str, _Shapes]:
    """What is owned below a place, by the key of each child."""
    children: dict[str, _Shapes] = {}
    for shape in shapes:
        for key, below in shape.items():
            if isinstance(below, dict):
                children.setdefault(key, []).append(below)
    return children
