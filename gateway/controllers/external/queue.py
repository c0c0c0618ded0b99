"""The objects that wait to be looked at: each once, urgent ones first, namespaces in turn, a failing one ever later.

No namespace has more than its share of what is worked on at a time, however many objects it has.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict

from gateway.kube import Key

RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 300.0
_ORDINARY_TURN = 4
"""Every fourth place is not for the urgent ones: somebody who makes new ones all the time must not have all of them."""


class _Lanes:
    """Names by namespace; namespaces in turn."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Key) -> bool:
        return key.name in self._lanes.get(key.namespace, ())

    def add(self, key: Key) -> None:
        if key not in self:
            self._lanes.setdefault(key.namespace, OrderedDict())[key.name] = None
            self._count += 1

    def discard(self, key: Key) -> None:
        if key in self:
            self._lanes[key.namespace].pop(key.name)
            self._count -= 1
            if not self._lanes[key.namespace]:
                del self._lanes[key.namespace]

    def take(self, busy: Counter[str], share: int) -> Key | None:
        """The next one of a namespace that has not its share yet."""
        for namespace in self._lanes:
            if busy[namespace] < share:
                key = Key(namespace, next(iter(self._lanes[namespace])))
                self.discard(key)
                if namespace in self._lanes:
                    self._lanes.move_to_end(namespace)
                return key
        return None


class FairQueue:
    """For one event loop. ``share``: of one namespace, worked on at a time."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._urgent = _Lanes()
        self._ordinary = _Lanes()
        self._working: dict[Key, bool | None] = {}
        self._busy: Counter[str] = Counter()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._changed = asyncio.Event()
        self._turn = 0

    def __len__(self) -> int:
        """Those that wait for their turn."""
        return len(self._urgent) + len(self._ordinary)

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Have it looked at. One that waits keeps its place; one that is worked on comes again after that."""
        self._forget_timer(key)
        if key in self._working:
            self._working[key] = bool(self._working[key]) or urgent
            return
        if key in self._urgent:
            return
        if urgent:
            self._ordinary.discard(key)
        (self._urgent if urgent else self._ordinary).add(key)
        self._changed.set()

    async def get(self) -> Key:
        """The next one, which is worked on from now on: :meth:`done` or :meth:`retry` ends that."""
        while True:
            order = (
                (self._urgent, self._ordinary) if (self._turn + 1) % _ORDINARY_TURN else (self._ordinary, self._urgent)
            )
            key = order[0].take(self._busy, self._share) or order[1].take(self._busy, self._share)
            if key is not None:
                self._turn += 1
                self._working[key] = None
                self._busy[key.namespace] += 1
                return key
            self._changed.clear()
            await self._changed.wait()

    def done(self, key: Key, again_in: float | None = None) -> None:
        """It is as it should be, until something changes, or for so many seconds."""
        self._failures.pop(key, None)
        if not self._end(key) and again_in is not None:
            self._later(key, again_in, urgent=False)

    def retry(self, key: Key, least: float = 0.0) -> float:
        """It could not be done: it comes again, each time later. Returns the seconds, at least ``least``."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(least, min(RETRY_SECONDS * 2.0 ** (failures - 1), MAX_RETRY_SECONDS))
        if not self._end(key):
            self._later(key, delay, urgent=True)
        return delay

    def forget(self, key: Key) -> None:
        """It is no more."""
        self._failures.pop(key, None)
        self._forget_timer(key)

    def close(self) -> None:
        """Nothing comes any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _later(self, key: Key, seconds: float, *, urgent: bool) -> None:
        self._forget_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(max(0.0, seconds), self._due, key, urgent)

    def _due(self, key: Key, urgent: bool) -> None:
        self._timers.pop(key, None)
        self.add(key, urgent=urgent)

    def _forget_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _end(self, key: Key) -> bool:
        """End the work on it; whether it changed meanwhile, and so waits again."""
        changed = self._working.pop(key)
        self._busy[key.namespace] -= 1
        if not self._busy[key.namespace]:
            del self._busy[key.namespace]
        self._changed.set()
        if changed is not None:
            self.add(key, urgent=changed)
        return changed is not None
