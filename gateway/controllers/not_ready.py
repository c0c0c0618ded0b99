"""Which objects are not ready, by name, as a gauge tells: those alone, and not more of them than a monitoring system bears."""

from __future__ import annotations

from prometheus_client import Gauge

from gateway.kube import Key

MAX_NAMED = 500


class NotReady:
    """``gauge`` has the labels ``kind``, ``namespace`` and ``name``. None is there yet. Beyond ``most`` objects none is
    added: counts by state tell.
    """

    def __init__(self, gauge: Gauge, *, most: int = MAX_NAMED) -> None:
        gauge.clear()
        self._gauge = gauge
        self._most = most
        self._named: set[tuple[str, Key]] = set()

    def note(self, kind: str, key: Key, *, bad: bool) -> None:
        """An object is ready, or no more, or it is not."""
        one = (kind, key)
        if bad and one not in self._named and len(self._named) < self._most:
            self._named.add(one)
            self._gauge.labels(kind, *key).set(1)
        elif not bad and one in self._named:
            self._named.remove(one)
            self._gauge.remove(kind, *key)
