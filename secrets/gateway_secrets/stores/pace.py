"""How often a store is asked: a token bucket, and pauses after it said that it was too often."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway_secrets.stores.errors import ThrottledError, UnavailableError
from gateway_secrets.stores.limits import StoreLimits

_T = TypeVar("_T")
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class TokenBucket:
    """``rate`` a second on average, ``burst`` at once. Who takes gets the pause to make; turns are in order."""

    def __init__(self, rate: float, burst: int, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def take(self, within: float, turns: int = 1) -> float | None:
        """Seconds to wait for so many turns; None, and no turn is taken, if they are more than ``within``."""
        now = self._clock()
        left = min(self._burst, self._left + (now - self._at) * self._rate)
        wait = max(0.0, (turns - left) / self._rate)
        self._left, self._at = left, now
        if wait > within:
            return None
        self._left -= turns
        return wait


class Turns:
    """The rate of what takes several requests: Pace gives a turn to the whole, this one to each part after the first."""

    def __init__(self, limits: StoreLimits) -> None:
        self._bucket = TokenBucket(limits.requests_per_second, limits.burst_requests)

    async def left(self, ends: float) -> float:
        """How many seconds are left, of monotonic time, until ``ends``, after waiting for a turn.

        Raises:
            UnavailableError: the turn comes too late.
        """
        wait = self._bucket.take(ends - time.monotonic())
        if wait is None:
            raise UnavailableError("the search takes longer than the deadline allows: narrow it")
        await asyncio.sleep(wait)
        return ends - time.monotonic()


class Pace:
    """Calls of one store: in turn, within a deadline, again after a pause when it is throttled."""

    def __init__(
        self,
        limits: StoreLimits,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._bucket = TokenBucket(limits.requests_per_second, limits.burst_requests, clock)

    async def call(self, ask: Callable[[float], Awaitable[_T]]) -> _T:
        """The answer of ``ask``, which is told how many seconds are left.

        Raises:
            StoreError: what ``ask`` raised; throttling only if there was no time left to try again.
            UnavailableError: the deadline has passed, and not because of throttling.
        """
        ends = self._clock() + self._limits.deadline_seconds
        pause = self._limits.retry_seconds
        throttled: ThrottledError | None = None
        while True:
            wait = self._bucket.take(ends - self._clock())
            if wait is None:
                raise ThrottledError("more is asked of this store than its rate allows within the deadline")
            await self._sleep(wait)
            left = ends - self._clock()
            try:
                async with asyncio.timeout(left):
                    return await ask(left)
            except TimeoutError:
                if throttled:
                    raise throttled from None
                raise UnavailableError(f"no answer within {self._limits.deadline_seconds:g} s") from None
            except ThrottledError as error:
                throttled = error
                # Full jitter: whoever was throttled together does not come back together.
                after = (error.retry_after_seconds or 0.0) + self._uniform(0.0, pause)
                if self._clock() + after >= ends:
                    raise
                await self._sleep(after)
                pause *= 2
