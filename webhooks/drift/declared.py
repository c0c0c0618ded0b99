"""The declared set: which fields of an object its reconciler states, read from the object itself.

Strong: the reconciler's ``Apply`` entries, and its ``last-applied-configuration``. Weak, used only where there is
neither: its ``Update`` entries, whose fields move to whoever changes the value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.subject import Json
from webhooks.drift.fields import MISSING, FieldsV1, element_of, field_of, has_children, same
from webhooks.drift.managed import Entry, by, owns, string_map
from webhooks.drift.paths import ANNOTATIONS, LAST_APPLIED, list_key

_NOT_INTENT = frozenset(("f:status", "f:apiVersion", "f:kind"))
_METADATA = ("f:labels", "f:annotations")
_LAST_APPLIED_PATH = (*ANNOTATIONS, f"f:{LAST_APPLIED}")


class Declared(msgspec.Struct, frozen=True):
    """Declared sets, each with the apiVersion that its paths are written in."""

    sets: tuple[tuple[str, FieldsV1], ...]
    last_applied: Json | None = None

    @property
    def versions(self) -> frozenset[str]:
        """The API versions that the sets are written in."""
        return frozenset(version for version, _ in self.sets)


def declared(old: Json, listed: list[Entry], managers: Collection[str], new: Json | None = None) -> Declared:
    """What the reconciler with these field managers declares of ``old``.

    With ``new``, a client-side declaration is read only where the two differ: the rest cannot have changed.

    Raises:
        UndecidedError: its last-applied-configuration is not readable.
    """
    own = by(managers, listed)
    applied = last_applied(old, listed, own)
    sets = [(entry.api_version, _intent(entry.fields)) for entry in own if entry.operation == "Apply"]
    if applied is not None:
        shapes = [entry.fields for entry in listed]
        fields = _object_fields(applied, shapes, old, new if new is not None else MISSING)
        sets.append((str(applied.get("apiVersion", "")), _intent(fields)))
    if not sets:
        sets = [(entry.api_version, _intent(entry.fields)) for entry in own if entry.operation == "Update"]
    return Declared(tuple(sets), applied)


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


def _object_fields(value: Json, shapes: list[FieldsV1], old: Any, new: Any) -> FieldsV1:
    """The declared children of a map, those left out that are the same in ``old`` and ``new``."""
    fields: FieldsV1 = {}
    for name, item in value.items():
        if item is None:
            continue
        key = f"f:{name}"
        before, after = field_of(old, key), field_of(new, key)
        below = None if same(before, after) else _fields(item, _below(shapes, key), before, after)
        if below is not None:
            fields[key] = below
    return fields


def _fields(value: Any, shapes: list[FieldsV1], old: Any, new: Any) -> FieldsV1 | None:
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


def _keyed(value: list[Any], keys: list[str], shapes: list[FieldsV1], old: Any, new: Any) -> FieldsV1:
    names = tuple(name for name, _ in list_key(keys[0]))
    fields: FieldsV1 = {}
    for item in value:
        if not isinstance(item, dict):
            return {}
        key = next((k for k in keys if _names_item(k, item)), None) or _key_of(item, names)
        below = _object_fields(item, _below(shapes, key), element_of(old, key), element_of(new, key))
        fields[key] = {".": {}, **{f"f:{name}": {} for name in names}, **below}
    return fields


def _names_item(key: str, item: Json) -> bool:
    """Whether the key is that of the item, where the item may leave defaults unwritten (a port's protocol)."""
    wanted = list_key(key)
    return any(name in item for name, _ in wanted) and all(
        name not in item or same(item[name], value) for name, value in wanted
    )


def _key_of(item: Json, names: Iterable[str]) -> str:
    return "k:" + msgspec.json.encode({name: item[name] for name in names if name in item}).decode()


def _named(value: list[Any]) -> bool:
    """Whether a list of which no manager is known to own anything looks keyed by name."""
    names = [item.get("name") if isinstance(item, dict) else None for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _below(shapes: list[FieldsV1], key: str) -> list[FieldsV1]:
    return [shape[key] for shape in shapes if isinstance(shape.get(key), dict)]
