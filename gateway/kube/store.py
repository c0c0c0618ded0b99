"""What a cache holds, and how it changes. Pure: no order of lists and events can lose a deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Key(NamedTuple):
    """An object of the cached type; ``namespace`` is empty for a cluster-scoped one."""

    namespace: str
    name: str


class Entry(NamedTuple, Generic[T]):
    """A value, and the version of the object that it was made from."""

    resource_version: str
    value: T


OnChange = Callable[[Key, T | None, T | None], None]
"""Called with the old and the new value, None where there is none. It must not raise."""


class Store(Generic[T]):
    """Values by key. An entry of None stands for an object that could not be read: it is counted, not held."""

    def __init__(self, on_change: OnChange[T] | None = None) -> None:
        self._entries: dict[Key, Entry[T]] = {}
        self._on_change = on_change
        self.unreadable: set[Key] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, key: Key) -> Entry[T] | None:
        """What is held for ``key``, None if nothing is."""
        return self._entries.get(key)

    def items(self) -> Iterator[tuple[Key, T]]:
        """All values, in no order. Not to be kept across an ``await``."""
        return ((key, entry.value) for key, entry in self._entries.items())

    def put(self, key: Key, entry: Entry[T] | None) -> None:
        """An object was added or changed."""
        if entry is None:
            self.remove(key)
            self.unreadable.add(key)
            return
        self.unreadable.discard(key)
        old = self._entries.get(key)
        self._entries[key] = entry
        self._report(key, old, entry)

    def remove(self, key: Key) -> None:
        """An object was deleted; one that is not held is no matter."""
        self.unreadable.discard(key)
        self._report(key, self._entries.pop(key, None), None)

    def replace(self, entries: Mapping[Key, Entry[T] | None]) -> None:
        """A whole list takes the place of what is held; every difference is reported, deletions first."""
        old = self._entries
        self._entries = {key: entry for key, entry in entries.items() if entry is not None}
        self.unreadable = {key for key, entry in entries.items() if entry is None}
        for key in old.keys() - self._entries.keys():
            self._report(key, old[key], None)
        for key, entry in self._entries.items():
            self._report(key, old.get(key), entry)

    def _report(self, key: Key, old: Entry[T] | None, new: Entry[T] | None) -> None:
        if self._on_change is not None and old is not new:
            self._on_change(key, old.value if old else None, new.value if new else None)
