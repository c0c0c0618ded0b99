"""The elements of a list, found by the FieldsV1 keys that name them.

A list is indexed once, by the key fields that are asked for: a request may hold lists of ten thousands of elements, and
as many keys, and whoever sends it must not be able to make that a product.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from webhooks.drift.equality import MISSING
from webhooks.drift.paths import list_key, set_value

_Index = dict[tuple[Any, ...], list[int]]


class Elements:
    """The elements of one list; anything but a list has none. The list must not change while this is in use."""

    def __init__(self, node: Any) -> None:
        self._items: list[Any] = node if isinstance(node, list) else []
        self._values: dict[Any, list[int]] | None = None
        self._by_fields: dict[tuple[str, ...], _Index] = {}
        self._lacking: dict[tuple[str, ...], dict[tuple[str, ...], _Index]] = {}

    def get(self, key: str) -> Any:
        """The element that ``key`` names. Several with one key come as a list of them: then all must be equal."""
        found = self.positions(key)
        if len(found) == 1 or (found and key.startswith("v:")):
            return self._items[found[0]]
        return [self._items[at] for at in found] or MISSING

    def positions(self, key: str) -> list[int]:
        """Where the elements that ``key`` names stand, in order.

        An element that lacks a key field (a default that was not written) fits where no other fits exactly.
        """
        if key.startswith("v:"):
            wanted = set_value(key)
            return self._by_value().get(_token(wanted[0]), []) if wanted else []
        if not key.startswith("k:"):
            at = index_of(key[2:])
            return [at] if 0 <= at < len(self._items) else []
        wanted = list_key(key)
        names = tuple(name for name, _ in wanted)
        values = dict(wanted)
        exact = self.having(names, values)
        if exact or len(names) <= 1:
            return exact
        partly = self._lacking[names].items()
        return sorted(at for present, index in partly for at in index.get(_tokens(values, present), ()))

    def having(self, names: tuple[str, ...], values: dict[str, Any]) -> list[int]:
        """Where the elements stand that have all of ``names``, with these values."""
        index = self._by_fields.get(names)
        if index is None:
            index = self._by_fields[names] = self._index(names)
        return index.get(_tokens(values, names), [])

    def order(self, keys: Iterable[str]) -> list[str]:
        """The ``k:`` keys among ``keys`` that name elements, in the order of these."""
        placed = [(found[0], key) for key in keys if key.startswith("k:") and (found := self.positions(key))]
        return [key for _, key in sorted(placed)]

    def _index(self, names: tuple[str, ...]) -> _Index:
        """Positions by the values of ``names``; elements that have only some of them are kept apart, by which."""
        index: _Index = {}
        lacking: dict[tuple[str, ...], _Index] = {}
        for at, item in enumerate(self._items):
            if not isinstance(item, dict):
                continue
            present = tuple([name for name in names if name in item])
            if present == names:
                index.setdefault(_tokens(item, names), []).append(at)
            elif present:
                lacking.setdefault(present, {}).setdefault(_tokens(item, present), []).append(at)
        self._lacking[names] = lacking
        return index

    def _by_value(self) -> dict[Any, list[int]]:
        if self._values is None:
            self._values = {}
            for at, item in enumerate(self._items):
                self._values.setdefault(_token(item), []).append(at)
        return self._values


def index_of(text: str) -> int:
    """The list index that ``text`` writes, -1 if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1  # noqa: PLR2004 - ten digits: no list is that long


def _tokens(item: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple([_token(item[name]) for name in names])


def _token(value: Any) -> Any:
    """Something hashable that is equal for equal JSON values only."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return ("json", msgspec.json.encode(value, order="sorted"))
    return (isinstance(value, bool), value)
