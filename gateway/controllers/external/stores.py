"""The stores that are open: one reader for each identity, whose token, rate and connections all share who read it.

A store that does not answer is not asked by everybody: one asks, ever later, until it answers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway_secrets.external.store import Store
from gateway_secrets.stores.credentials import Credentials
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.table import open_reader

MAX_OPEN = 500
_PAUSE_SECONDS = (1.0, 30.0)
_REOPEN_SECONDS = 15.0
_CLOSE_SECONDS = 5.0

Identity = tuple[str, ...]
Opener = Callable[[Store, str], Awaitable[Reader]]
_T = TypeVar("_T")


class Breaker:
    """Whether a store is worth asking. Pure, but for chance."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._probing = False
        self._last = ""

    def refusal(self, now: float) -> str:
        """Why it is not asked now; empty if it is. Who is let through after a failure is the only one, until it has an answer."""
        if not self._failures or (now >= self._until and not self._probing):
            self._probing = bool(self._failures)
            return ""
        return f"{self._last} (it is asked again in {max(0.0, self._until - now):.0f} s)"

    def failed(self, error: StoreError, now: float) -> bool:
        """It did not answer; whether that is new."""
        first, longest = _PAUSE_SECONDS
        pause = min(first * 2.0**self._failures, longest)
        self._until = now + random.uniform(0.5, 1.0) * pause  # noqa: S311 - spreads load, hides nothing
        self._failures += 1
        self._probing = False
        self._last = str(error)
        return self._failures == 1

    def abandoned(self) -> None:
        """Who asked does not wait for the answer."""
        self._probing = False

    def answered(self) -> bool:
        """It did; whether that ends a time in which it did not."""
        ended = self._failures > 0
        self._failures, self._probing = 0, False
        return ended


class _Open:
    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.reader: Reader | None = None
        self.opened_at = 0.0
        self.users = 0
        self.breaker = Breaker()


class Stores:
    """Opened when they are read first, closed when they changed, or others are needed more."""

    def __init__(
        self,
        credentials: Credentials,
        requests_per_second: float,
        *,
        recovered: Callable[[Store], None] = lambda _: None,
        failed: Callable[[Store, StoreError], None] = lambda _store, _error: None,
        opener: Opener | None = None,
    ) -> None:
        """``failed`` is told of a store that does not answer, or cannot be opened; ``recovered``, when it answers again."""
        self._credentials = credentials
        self._limits = StoreLimits(
            requests_per_second=requests_per_second, burst_requests=max(1, round(requests_per_second))
        )
        self._recovered = recovered
        self._told_failed = failed
        self._opener = opener or self._open
        self._stores: OrderedDict[Identity, _Open] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(one.reader is not None for one in self._stores.values())

    async def ask(self, store: Store, namespace: str, question: Callable[[Reader], Awaitable[_T]]) -> _T:
        """The answer of a store, asked on behalf of a namespace.

        Raises:
            StoreError: it cannot be opened, does not answer, or refuses.
        """
        identity = store.identity(namespace)
        opened = self._stores.setdefault(identity, _Open())
        self._stores.move_to_end(identity)
        refusal = opened.breaker.refusal(time.monotonic())
        if refusal:
            raise UnavailableError(refusal)
        opened.users += 1
        try:
            reader = await self._reader(opened, store, namespace)
            answer = await question(reader)
        except StoreError as error:
            self._failed(opened, store, error)
            raise
        except asyncio.CancelledError:
            opened.breaker.abandoned()
            raise
        finally:
            opened.users -= 1
            self._make_room()
        self._answered(opened, store)
        return answer

    def changed(self, kind: str, namespace: str, name: str) -> None:
        """A store is another one now, or no more: what is open of it is closed once nobody reads it."""
        for identity in [one for one in self._stores if one[:3] == (kind, namespace, name)]:
            self._let_go(self._stores.pop(identity))

    async def close(self) -> None:
        """Close all; tokens that were obtained are given back."""
        for opened in self._stores.values():
            self._let_go(opened)
        self._stores.clear()
        if self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def _open(self, store: Store, namespace: str) -> Reader:
        if store.provider == "file":
            raise MisconfiguredError(
                f"{store.ref}: provider file reads files of the controller's own machine: not for a cluster"
            )
        return await open_reader(
            store.manifest, credentials=self._credentials, namespace=namespace, limits=self._limits
        )

    async def _reader(self, opened: _Open, store: Store, namespace: str) -> Reader:
        async with opened.turn:
            if opened.reader is None:
                opened.reader = await self._opener(store, namespace)
                opened.opened_at = time.monotonic()
            return opened.reader

    def _failed(self, opened: _Open, store: Store, error: StoreError) -> None:
        if isinstance(error, UnavailableError | ThrottledError):
            if opened.breaker.failed(error, time.monotonic()) and isinstance(error, UnavailableError):
                self._told_failed(store, error)
            return
        if opened.reader is None:
            if opened.breaker.failed(error, time.monotonic()):
                self._told_failed(store, error)
            return
        self._answered(opened, store)
        stale = time.monotonic() - opened.opened_at > _REOPEN_SECONDS
        if isinstance(error, ForbiddenError | MisconfiguredError) and stale:
            # Its credentials or certificates may be others by now: it is opened anew, not more often than it makes sense.
            self._let_go(opened)

    def _answered(self, opened: _Open, store: Store) -> None:
        if opened.breaker.answered():
            self._recovered(store)

    def _make_room(self) -> None:
        for identity in list(self._stores):
            if len(self._stores) <= MAX_OPEN:
                return
            if not self._stores[identity].users:
                self._let_go(self._stores.pop(identity))

    def _let_go(self, opened: _Open) -> None:
        reader, opened.reader = opened.reader, None
        if reader is not None:
            task = asyncio.ensure_future(_close(reader))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _close(reader: Reader) -> None:
    with contextlib.suppress(StoreError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await reader.close()
