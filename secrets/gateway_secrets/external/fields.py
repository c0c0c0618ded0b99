"""Fields that an object has and its type has not: misspelt, misplaced, or of a newer version. Pure.

What is known is what the structs say that objects are read into: there is no other list.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

_MAX_NAME = 64
"""Longer names are not compared: no field is that long."""
_SHORT = 5
"""Of so many letters, one may be wrong; of more, two."""


class UnknownField(msgspec.Struct, frozen=True):
    """``nearest``: what was meant, if the name is a misspelling of a field that is not there; ``belongs``: where the field of
    this name is, if there is one elsewhere, and no other as near to the root.
    """

    field: str
    nearest: str = ""
    belongs: str = ""


def unknown_fields(document: Any, kind: type, where: str) -> list[UnknownField]:
    """Those of ``document``, which is to be a ``kind`` and is at ``where``; in order."""
    return [
        msgspec.structs.replace(one, belongs=_belongs(one, kind, where)) if not one.nearest else one
        for one in _unknown(document, _shape(kind), where)
    ]


@lru_cache(maxsize=32)
def _shape(kind: type) -> inspect.Type:
    """What msgspec makes of a type: worked out once, which took longer than all else that a look does."""
    return inspect.type_info(kind)


def _unknown(value: Any, kind: inspect.Type, where: str) -> Iterator[UnknownField]:
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _unknown(value, one, where)
    elif isinstance(value, dict) and isinstance(kind, inspect.StructType):
        yield from _unknown_of_struct(value, {field.encode_name: field.type for field in kind.fields}, where)
    elif isinstance(value, dict) and isinstance(kind, inspect.DictType):
        for name, item in value.items():
            yield from _unknown(item, kind.value_type, f"{where}[{name}]")
    elif isinstance(value, list) and isinstance(kind, inspect.ListType | inspect.VarTupleType):
        for index, item in enumerate(value):
            yield from _unknown(item, kind.item_type, f"{where}[{index}]")


def _unknown_of_struct(value: dict[str, Any], fields: dict[str, inspect.Type], where: str) -> Iterator[UnknownField]:
    absent = fields.keys() - value.keys()
    for name, item in value.items():
        if name in fields:
            yield from _unknown(item, fields[name], f"{where}.{name}")
        elif item is not None:  # null is nothing, to Go's decoder
            yield UnknownField(f"{where}.{name}"[:300], nearest=_nearest(str(name), absent))


def _nearest(name: str, among: set[str]) -> str:
    """The name that is meant by another one; empty if none is."""
    if len(name) > _MAX_NAME:
        return ""
    most = 1 if len(name) <= _SHORT else 2
    found = [(_distance(_plain(name), _plain(one)), one) for one in sorted(among) if abs(len(name) - len(one)) <= most]
    plain = [(0, one) for one in sorted(among) if _plain(name) == _plain(one)]
    distance, nearest = min(plain or found, default=(most + 1, ""))
    return nearest if distance <= most else ""


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _distance(one: str, other: str) -> int:
    """How many letters have to be added, left out, changed, or changed with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, start=1):
        before, above, row = row, before, [at]
        for there, its in enumerate(other, start=1):
            cost = min(before[there] + 1, row[there - 1] + 1, before[there - 1] + (letter != its))
            if at > 1 and there > 1 and letter == other[there - 2] and one[at - 2] == its:
                cost = min(cost, above[there - 2] + 1)
            row.append(cost)
    return row[-1]


def _belongs(unknown: UnknownField, kind: type, where: str) -> str:
    name = unknown.field.rpartition(".")[2]
    places = sorted(_places(kind).get(name, ()), key=_depth)
    if not places or (len(places) > 1 and _depth(places[0]) == _depth(places[1])):
        return ""
    return f"{where}{places[0]}"


def _depth(place: str) -> int:
    return place.count(".")


@lru_cache(maxsize=16)
def _places(kind: type) -> dict[str, tuple[str, ...]]:
    """Where fields are, by their names."""
    places: dict[str, tuple[str, ...]] = {}
    rest: list[tuple[inspect.Type, str]] = [(_shape(kind), "")]
    while rest:
        one, where = rest.pop()
        if isinstance(one, inspect.UnionType):
            rest += [(part, where) for part in one.types]
        elif isinstance(one, inspect.StructType):
            for field in one.fields:
                at = f"{where}.{field.encode_name}"
                places[field.encode_name] = (*places.get(field.encode_name, ()), at)
                rest.append((field.type, at))
        elif isinstance(one, inspect.ListType | inspect.VarTupleType):
            rest.append((one.item_type, f"{where}[]"))
    return places
