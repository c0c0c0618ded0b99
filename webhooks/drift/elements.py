"""The elements of a list, found by the FieldsV1 keys that name them.

A list is indexed once, by the key fields that are asked for: a request may hold lists of ten thousands of elements, and
as many keys, and whoever sends it must not be able to make that a product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from webhooks.drift.equality import MISSING
from webhooks.drift.paths import list_key, set_value

_Index = dict[Any, list[int]]

_NOTHING: _Index = {}


class _Wanted(NamedTuple):
    """What a ``k:`` key asks for: the key fields' names, their values, and these as one token to look up."""

    names: tuple[str, ...]
    values: dict[str, Any]
    token: Any


class Elements:
    """The elements of one list; anything but a list has none. The list must not change while this is in use."""

    def __init__(self, node: Any) -> None:
        self._items: list[Any] = node if isinstance(node, list) else []
        self._values: dict[Any, list[int]] | None = None
        self._by_fields: dict[tuple[str, ...], _Index] = {}
        self._lacking: dict[tuple[str, ...], dict[tuple[str, ...], _Index]] = {}
        self._asked = False

    def get(self, key: str) -> Any:
        """The element that ``key`` names. Several with one key come as a list of them: then all must be equal."""
        if key.startswith("k:"):
            wanted = _wanted(key)
            alone = self._by_fields.get(wanted.names, _NOTHING).get(wanted.token)
            if alone is not None and len(alone) == 1:
                return self._items[alone[0]]
        found = self.positions(key)
        if len(found) == 1 or (found and key.startswith("v:")):
            return self._items[found[0]]
        return [self._items[at] for at in found] or MISSING

    def positions(self, key: str) -> Sequence[int]:
        """Where the elements that ``key`` names stand, in order.

        An element that lacks a key field (a default that was not written) fits where no other fits exactly.
        """
        if key.startswith("k:"):
            wanted = _wanted(key)
            if not self._asked and len(wanted.names) == 1 and isinstance(wanted.token, str):
                # One look-up alone is not worth an index.
                self._asked = True
                return self._scan(wanted.names[0], wanted.token)
            exact = self._indexed(wanted.names).get(wanted.token, ())
            if exact or len(wanted.names) <= 1:
                return exact
            partly = self._lacking[wanted.names].items()
            return sorted(at for present, index in partly for at in index.get(_tokens(wanted.values, present), ()))
        if key.startswith("v:"):
            value = set_value(key)
            return self._by_value().get(_token(value[0]), ()) if value else ()
        at = index_of(key[2:])
        return (at,) if 0 <= at < len(self._items) else ()

    def having(self, names: tuple[str, ...], values: dict[str, Any]) -> Sequence[int]:
        """Where the elements stand that have all of ``names``, with these values."""
        return self._indexed(names).get(_tokens(values, names), ())

    def order(self, keys: Iterable[str]) -> list[str]:
        """The ``k:`` keys among ``keys`` that name elements, in the order of these."""
        placed = [(found[0], key) for key in keys if key.startswith("k:") and (found := self.positions(key))]
        return [key for _, key in sorted(placed)]

    def _scan(self, name: str, value: str) -> list[int]:
        return [at for at, item in enumerate(self._items) if isinstance(item, dict) and item.get(name) == value]

    def _indexed(self, names: tuple[str, ...]) -> _Index:
        index = self._by_fields.get(names)
        if index is None:
            index = self._by_fields[names] = self._index(names)
        return index

    def _index(self, names: tuple[str, ...]) -> _Index:
        """Positions by the values of ``names``; elements that have only some of them are kept apart, by which."""
        index: _Index = {}
        lacking: dict[tuple[str, ...], _Index] = {}
        self._lacking[names] = lacking
        if len(names) == 1:
            name = names[0]
            for at, item in enumerate(self._items):
                if isinstance(item, dict) and name in item:
                    value = item[name]
                    index.setdefault(value if isinstance(value, str) else _token(value), []).append(at)
            return index
        for at, item in enumerate(self._items):
            if not isinstance(item, dict):
                continue
            present = tuple([name for name in names if name in item])
            if present == names:
                index.setdefault(_tokens(item, names), []).append(at)
            elif present:
                lacking.setdefault(present, {}).setdefault(_tokens(item, present), []).append(at)
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


@lru_cache(maxsize=4096)
def _wanted(key: str) -> _Wanted:
    values = dict(list_key(key))
    names = tuple(values)
    return _Wanted(names, values, _tokens(values, names))


def _tokens(item: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The values of ``names`` as something hashable; of one name alone, as most lists are keyed, without a tuple."""
    if len(names) == 1:
        return _token(item[names[0]])
    return tuple([_token(item[name]) for name in names])


def _token(value: Any) -> Any:
    """Something hashable that is equal for equal JSON values only."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ("map", frozenset((name, _token(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(_token, value)))
    return (isinstance(value, bool), value)
