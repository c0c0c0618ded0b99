"""The objects that wait to be looked at: each once, urgent ones first, a failing one ever later, and not when all others do.

There are never more in it than there are objects, and none is worked on twice at the same time. Namespaces take turns, and
none has more than its share of what is worked on at a time: what is slow of one tenant's, and how many they are, is no
matter of another's.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from gateway.controllers.lanes import Lane
from gateway.kube import Key

RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 300.0
_ORDINARY_TURN = 4
"""Every fourth place is not for the urgent ones: somebody who makes new ones all the time must not have all of them."""


class WorkQueue:
    """For one event loop. ``share``: of one namespace, worked on at a time. ``uniform``: chance, which spreads retries."""

    def __init__(self, share: int, *, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._share = share
        self._uniform = uniform
        self._urgent = Lane()
        self._ordinary = Lane()
        self._working: dict[Key, bool | None] = {}
        self._busy: Counter[str] = Counter()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._changed = asyncio.Event()
        self._turn = 0

    def __len__(self) -> int:
        """Those that wait for their turn."""
        return len(self._urgent) + len(self._ordinary)

    @property
    def later(self) -> int:
        """Those that wait for their time."""
        return len(self._timers)

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
        while (key := self._take()) is None:
            self._changed.clear()
            await self._changed.wait()
        self._turn += 1
        self._working[key] = None
        self._busy[key.namespace] += 1
        return key

    def done(self, key: Key, again_in: float | None = None) -> None:
        """It is as it should be, until something changes, or for so many seconds."""
        self._failures.pop(key, None)
        if not self._end(key) and again_in is not None:
            self._later(key, again_in, urgent=False)

    def retry(self, key: Key, least: float = 0.0, *, most: float | None = None) -> float:
        """It could not be done: it comes again, each time later, by chance up to twice as soon: what failed in one moment, as
        all that one store or server is to blame for, does not come back in one. Returns the seconds, at least ``least``, else
        at most ``most``.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        latest = min(MAX_RETRY_SECONDS, max(RETRY_SECONDS, most)) if most is not None else MAX_RETRY_SECONDS
        delay = max(least, self._uniform(0.5, 1.0) * min(RETRY_SECONDS * 2.0 ** (failures - 1), latest))
        if not self._end(key):
            self._later(key, delay, urgent=True)
        return delay

    def release(self, key: Key) -> None:
        """Who worked on it is no more, and may not have said what became of it: if so it comes again."""
        if key in self._working:
            self.retry(key)

    def forget(self, key: Key) -> None:
        """It is no more."""
        self._failures.pop(key, None)
        self._forget_timer(key)

    def close(self) -> None:
        """Nothing comes any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _take(self) -> Key | None:
        """The one whose turn it is; None if none waits, or only of namespaces that have their share."""
        full = {namespace for namespace, busy in self._busy.items() if busy >= self._share}
        last = (self._turn + 1) % _ORDINARY_TURN == 0
        first, second = (self._ordinary, self._urgent) if last else (self._urgent, self._ordinary)
        key = first.take(full)
        return key if key is not None else second.take(full)

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
