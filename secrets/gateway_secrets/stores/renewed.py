"""What a login gives, for all who read a store: obtained once, and anew before its end or when it is refused."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gateway_secrets.stores.errors import StoreError, ThrottledError, UnavailableError, of_login

_T = TypeVar("_T")
_RENEW_AT = (0.6, 0.75)
"""Of its life: somewhere in between, so that those of one moment are not renewed in one moment."""
_AGAIN_SECONDS = 5.0


class Renewed(Generic[_T]):
    """``obtain`` logs in: what it gives, and when that ends (seconds since the epoch), None if it does not.

    If it cannot be obtained anew for now, the present one serves to its end. ``discard`` is given what is not used any
    more. ``logins`` counts; ``told`` is told of each, and of the error of one that fails.
    """

    def __init__(
        self,
        obtain: Callable[[], Awaitable[tuple[_T, float | None]]],
        *,
        discard: Callable[[_T], None] = lambda _: None,
        told: Callable[[StoreError | None], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._obtain = obtain
        self._discard = discard
        self._told = told
        self._clock = clock
        self._uniform = uniform
        self._turn = asyncio.Lock()
        self._ends = self._renew_at = 0.0
        self._failures = 0
        self._failure: StoreError = UnavailableError("")
        self.present: _T | None = None
        self.logins = 0

    async def get(self) -> _T:
        """One that should be good.

        Raises:
            StoreError: what ``obtain`` raised, now or while this waited for its turn.
        """
        if self.present is not None and self._clock() < self._renew_at:
            return self.present
        failures = self._failures
        async with self._turn:
            if self.present is not None and self._clock() < self._renew_at:
                return self.present
            if self._failures != failures:
                raise type(self._failure)(str(self._failure))  # one login for all who ask at once, also if it fails
            return await self._anew()

    async def _anew(self) -> _T:
        began = self._clock()
        try:
            with of_login():
                new, ends = await self._obtain()
        except StoreError as error:
            self._told(error)
            may_pass = isinstance(error, UnavailableError | ThrottledError)
            if self.present is None or self._clock() >= self._ends or not may_pass:
                self._failures += 1
                self._failure = error
                raise
            self._renew_at = min(self._ends, self._clock() + _AGAIN_SECONDS)
            return self.present
        self.drop(self.present)
        self.logins += 1
        self._told(None)
        self._ends = float("inf") if ends is None else ends
        part = self._uniform(*_RENEW_AT)
        self._renew_at = self._ends if ends is None else began + (ends - began) * part
        self.present = new
        return new

    def drop(self, refused: _T | None) -> None:
        """Forget the present one, if it is this: it was refused, and the next one is another."""
        if refused is not None and refused is self.present:
            self.present = None
            self._discard(refused)
