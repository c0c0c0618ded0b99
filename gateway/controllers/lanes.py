"""Objects that wait, each namespace in its turn: one with thousands waits for itself, and keeps nobody else waiting. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container

from gateway.kube import Key


class Lane:
    """Each object once. Of a namespace the first that came goes first, and after each the next namespace has its turn."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, OrderedDict[Key, None]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Key) -> bool:
        return key in self._turns.get(key.namespace, ())

    def add(self, key: Key) -> None:
        """Have it wait; one that does already keeps its place."""
        if key not in self:
            self._turns.setdefault(key.namespace, OrderedDict())[key] = None
            self._count += 1

    def discard(self, key: Key) -> None:
        """Have it wait no more."""
        if key in self:
            waiting = self._turns[key.namespace]
            del waiting[key]
            self._count -= 1
            if not waiting:
                del self._turns[key.namespace]

    def take(self, full: Container[str] = ()) -> Key | None:
        """The next one, which waits no more; None if there is none. ``full``: namespaces that are passed over."""
        namespace = next((name for name in self._turns if name not in full), None)
        if namespace is None:
            return None
        key = next(iter(self._turns[namespace]))
        self._turns.move_to_end(namespace)
        self.discard(key)
        return key
