"""How each object is that a loop works on, and how many are so, as a gauge tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import Gauge

from gateway.kube import Key


class States:
    """``gauge`` has the one label ``state``; of each of ``names`` there are none yet."""

    def __init__(self, gauge: Gauge, names: Sequence[str]) -> None:
        self._gauge = gauge
        self._states: dict[Key, str] = {}
        for name in names:
            gauge.labels(name).set(0)

    def note(self, key: Key, state: str | None) -> None:
        """An object is so; None: it is no more, or no matter of this loop's."""
        before = self._states.pop(key, None)
        if before is not None:
            self._gauge.labels(before).dec()
        if state is not None:
            self._states[key] = state
            self._gauge.labels(state).inc()

    def of(self, key: Key) -> str | None:
        """How an object is; None if that is not known."""
        return self._states.get(key)

    def which(self, state: str) -> Iterator[Key]:
        """The objects that are so."""
        return (key for key, one in self._states.items() if one == state)
