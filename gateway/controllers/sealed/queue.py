"""The objects that wait to be looked at: each once, the urgent ones first, a failing one ever later.

There are never more in it than there are objects, and none is worked on twice at the same time. Namespaces take turns, and
none has all workers: what is slow of one tenant's, and how many they are, is no matter of another's.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from gateway.controllers.sealed.lanes import Lane
from gateway.kube import Key

RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 300.0
_ORDINARY_TURN = 4
"""Every fourth place is not for the urgent ones: somebody who makes new ones all the time must not have all of them."""


class WorkQueue:
    """For one event loop. ``share``: how many of a namespace are worked on at a time."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._urgent = Lane()
        self._ordinary = Lane()
        self._working: dict[Key, bool | None] = {}
        self._busy: Counter[str] = Counter()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._ready = asyncio.Event()
        self._turn = 0

    def __len__(self) -> int:
        """Those that wait for their turn, or for their time."""
        return len(self._urgent) + len(self._ordinary) + len(self._timers)

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Have it looked at. One that waits keeps its place; one that is worked on comes again after that."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._working:
            self._working[key] = bool(self._working[key]) or urgent
            return
        if key in self._urgent:
            return
        if urgent:
            self._ordinary.discard(key)
        (self._urgent if urgent else self._ordinary).add(key)
        self._ready.set()

    async def get(self) -> Key:
        """The next one, which is worked on from now on: :meth:`done` or :meth:`retry` ends that."""
        while (key := self._take()) is None:
            self._ready.clear()
            await self._ready.wait()
        self._turn += 1
        self._working[key] = None
        self._busy[key.namespace] += 1
        return key

    def done(self, key: Key) -> None:
        """It is as it should be, or nothing can be done until something changes."""
        self._failures.pop(key, None)
        self._again(key)

    def retry(self, key: Key, least: float = 0.0) -> float:
        """It could not be done: it comes again, each time later. Returns the seconds, at least ``least``."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = max(least, min(RETRY_SECONDS * 2.0 ** (failures - 1), MAX_RETRY_SECONDS))
        if not self._again(key):
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._due, key)
        return delay

    def close(self) -> None:
        """Nothing comes any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _take(self) -> Key | None:
        """The one whose turn it is; None if none waits, or only of namespaces that have their share of workers."""
        full = {namespace for namespace, busy in self._busy.items() if busy >= self._share}
        last = (self._turn + 1) % _ORDINARY_TURN == 0
        first, second = (self._ordinary, self._urgent) if last else (self._urgent, self._ordinary)
        key = first.take(full)
        return key if key is not None else second.take(full)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key, urgent=True)

    def _again(self, key: Key) -> bool:
        """End the work on it; whether it changed meanwhile, and so waits again."""
        changed = self._working.pop(key)
        self._busy[key.namespace] -= 1
        if not self._busy[key.namespace]:
            del self._busy[key.namespace]
        self._ready.set()
        if changed is not None:
            self.add(key, urgent=changed)
        return changed is not None
