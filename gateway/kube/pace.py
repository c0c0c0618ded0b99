"""A bound on how many requests a client makes: so many a second, and so many at once after a pause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Pacer:
    """A token bucket: ``per_second`` tokens come, at most ``burst`` are kept."""

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    async def __call__(self) -> None:
        """Wait until another request may be made."""
        delay = self.take()
        if delay > 0:
            await asyncio.sleep(delay)

    def take(self) -> float:
        """Take a token, one that is still to come if there is none; the seconds until then."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._per_second)
