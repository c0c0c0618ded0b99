"""Structural schemas of custom resources: validation by Kubernetes' own validator, defaults, and unknown fields.

Defaults and unknown fields follow k8s.io/apiextensions-apiserver (schema/defaulting, schema/pruning), whose packages
would make the library half as large again. Embedded resources are not needed by what is read here.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from gateway.core.subject import Json
from gateway.native.library import call, frames

_INT_OR_STRING = "x-kubernetes-int-or-string"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_SUBSCHEMAS = ("not", "items", "additionalProperties")
_LISTS = ("allOf", "anyOf", "oneOf")


def validate(schema: Json, document: Any) -> list[str]:
    """What is wrong with a document, as the API server says it; nothing if it is valid.

    Raises:
        NativeError: the schema is none.
        NativeMissingError: there is no native library.
    """
    payload = frames((msgspec.json.encode(_openapi(schema)), msgspec.json.encode(document)))
    return msgspec.json.decode(call("schema.validate", payload), type=list[str])


def _openapi(schema: Any) -> Any:
    """What the validator needs spelled out."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    if out.get(_INT_OR_STRING) is True:
        out["type"] = ["integer", "string"]
    if isinstance(out.get("properties"), dict):
        out["properties"] = {key: _openapi(below) for key, below in out["properties"].items()}
    for key in _SUBSCHEMAS:
        if key in out:
            out[key] = _openapi(out[key])
    for key in _LISTS:
        if isinstance(out.get(key), list):
            out[key] = [_openapi(below) for below in out[key]]
    return out


def with_defaults(schema: Json, value: Any) -> Any:
    """A copy of the value with the schema's defaults where fields are missing, or null and may not be."""
    if isinstance(value, dict):
        return _object_with_defaults(schema, value)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        return [with_defaults(items, _or_default(items, element)) for element in value]
    return value


def _object_with_defaults(schema: Json, value: Json) -> Json:
    out = dict(value)
    properties = schema.get("properties") or {}
    for key, below in properties.items():
        if below.get("default") is not None and (key not in out or _must_not_be_null(below, out[key])):
            out[key] = copy.deepcopy(below["default"])
    additional = schema.get("additionalProperties")
    for key, element in out.items():
        if key in properties:
            out[key] = with_defaults(properties[key], element)
        elif isinstance(additional, dict):
            out[key] = with_defaults(additional, _or_default(additional, element))
    return out


def _must_not_be_null(schema: Json, value: Any) -> bool:
    return value is None and not schema.get("nullable")


def _or_default(schema: Json, value: Any) -> Any:
    return copy.deepcopy(schema.get("default")) if _must_not_be_null(schema, value) else value


def unknown_fields(schema: Json, value: Any, path: str = "") -> list[str]:
    """The fields of a value that the schema does not know, with their paths, in order."""
    return sorted(_unknown(schema, value, path, preserve=bool(schema.get(_PRESERVE))))


def _unknown(schema: Json | None, value: Any, path: str, *, preserve: bool) -> list[str]:
    """``preserve``: fields that the schema does not state are left alone; those that it states are looked into."""
    found: list[str] = []
    if isinstance(value, dict):
        for key, element in value.items():
            known, below = _below(schema or {}, key)
            where = f"{path}.{key}" if path else key
            if known:
                found += _unknown(below, element, where, preserve=bool((below or {}).get(_PRESERVE)))
            elif not preserve:
                found.append(where)
    elif isinstance(value, list):
        items = (schema or {}).get("items")
        items = items if isinstance(items, dict) else None
        inner = preserve or bool((items or {}).get(_PRESERVE))
        for index, element in enumerate(value):
            found += _unknown(items, element, f"{path}[{index}]", preserve=inner)
    return found


def _below(schema: Json, key: str) -> tuple[bool, Json | None]:
    properties = schema.get("properties") or {}
    if key in properties:
        return True, properties[key]
    additional = schema.get("additionalProperties")
    if additional is None or additional is False:
        return False, None
    return True, additional if isinstance(additional, dict) else {_PRESERVE: True}
