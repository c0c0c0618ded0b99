"""Threads for the clients of stores that block: one bound for all stores together, which none can have for itself alone.

Of the threads one half is for those that have none: a second and further one of a store is of the other half. So however much
is asked of stores that hang, all others are served as long as there are more threads in the first half than such stores. Of the
stores of one server, however many they are, only some count as such: a server that hangs leaves the rest of that half to others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from gateway_secrets.stores.errors import UnavailableError

_T = TypeVar("_T")
_OF_A_SERVER = 4
"""A server has this part of the first half."""


class Threads:
    """``most`` at a time; there are none while no store is open. For one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._further = most // 2
        self._of_server = max(1, (most - self._further) // _OF_A_SERVER)
        self._servers: Counter[Hashable] = Counter()
        """How many stores of each have a thread."""
        self._busy = 0
        self._open = 0
        self._waiting: OrderedDict[StoreThreads, None] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def of_store(self, most: int, server: str = "") -> StoreThreads:
        """Those of one store, at most so many at a time, until it is closed. ``server``: whom it asks; none: nobody else does."""
        self._open += 1
        return StoreThreads(self, most, server)

    def wanted(self, store: StoreThreads) -> None:
        """A store has a call that waits."""
        self._waiting[store] = None
        self._serve()

    def closed(self, store: StoreThreads) -> None:
        """A store calls no more; what it has begun comes to its end."""
        self._waiting.pop(store, None)
        self._open -= 1
        if not self._open and self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None

    def _serve(self) -> None:
        """Begin what may begin: who has the fewest threads is first, and of these who was served longest ago."""
        while self._busy < self._most:
            able = [one for one in self._waiting if self._first(one) or (self._further and one.busy < one.most)]
            if not able:
                return
            self._begin(min(able, key=lambda one: one.busy))

    def _first(self, store: StoreThreads) -> bool:
        """Whether a thread for it is of the first half."""
        return not store.busy and self._servers[store.server] < self._of_server

    def _begin(self, store: StoreThreads) -> None:
        answer, call = store.next()
        if store.waits:
            self._waiting.move_to_end(store)
        else:
            del self._waiting[store]
        if answer.done():
            return  # who asked has left
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="stores")
        loop = asyncio.get_running_loop()

        def ended(done: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is no more, and nobody waits
                loop.call_soon_threadsafe(self._ended, store, answer, done)

        try:
            begun = self._pool.submit(call)
        except RuntimeError:
            answer.set_exception(UnavailableError("the system starts no thread for it"))
            return
        self._busy += 1
        self._further -= not self._first(store)
        self._servers[store.server] += not store.busy
        store.busy += 1
        begun.add_done_callback(ended)

    def _ended(self, store: StoreThreads, answer: asyncio.Future[Any], done: Future[Any]) -> None:
        # Only now: a thread that nobody waits for any more is one that others cannot have.
        self._busy -= 1
        store.busy -= 1
        self._servers[store.server] -= not store.busy
        self._further += not self._first(store)
        if not self._servers[store.server]:
            del self._servers[store.server]
        error = done.exception()
        if answer.done():
            pass  # who asked has left
        elif error is None:
            answer.set_result(done.result())
        else:
            answer.set_exception(error)
        self._serve()


class StoreThreads:
    """See :meth:`Threads.of_store`. ``busy``: those in use, of at most ``most``."""

    def __init__(self, threads: Threads, most: int, server: str) -> None:
        self._threads = threads
        self.most = most
        self.server: Hashable = server or self
        self._calls: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()
        self._closed = False
        self.busy = 0

    @property
    def waits(self) -> bool:
        """Whether it has calls that wait."""
        return bool(self._calls)

    def next(self) -> tuple[asyncio.Future[Any], Callable[[], Any]]:
        """The call whose turn it is, and where its answer goes."""
        return self._calls.popleft()

    async def run(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """What ``call`` gives or raises, in a thread.

        Raises:
            UnavailableError: the store was closed before it had one.
        """
        if self._closed:
            raise UnavailableError("the store was closed")
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._calls.append((answer, partial(call, *arguments)))
        self._threads.wanted(self)
        return await answer

    def close(self) -> None:
        """Who waits is told; what has begun comes to its end."""
        if self._closed:
            return
        self._closed = True
        for answer, _ in self._calls:
            if not answer.done():
                answer.set_exception(UnavailableError("the store was closed"))
        self._calls.clear()
        self._threads.closed(self)
