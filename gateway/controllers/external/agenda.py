"""Which groups come next: each at the end of its path's windows. Pure; for two clocks, since one may be set back."""

from __future__ import annotations

import heapq

from gateway.controllers.external.uses import Group
from gateway.controllers.external.windows import window_end


class Agenda:
    """Each group is in it once. Moments are of a clock that only goes on; ``now`` is of the one that windows are of."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, Group]] = []
        self._groups: set[Group] = set()

    def __len__(self) -> int:
        return len(self._groups)

    def put(self, group: Group, moment: float, now: float) -> None:
        """It is to come at the end of its window; nothing happens if it is to come already."""
        if group not in self._groups:
            path, interval = group
            self._groups.add(group)
            heapq.heappush(self._heap, (moment + (window_end(path, interval, now) - now), group))

    @property
    def next(self) -> float | None:
        """When the next one comes."""
        return self._heap[0][0] if self._heap else None

    def take(self, moment: float) -> Group | None:
        """One that has come, and is not in it any more."""
        if not self._heap or self._heap[0][0] > moment:
            return None
        _, group = heapq.heappop(self._heap)
        self._groups.discard(group)
        return group
