"""Threads that all stores share: bounded in all and for each, and never all of them with whoever hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores.errors import UnavailableError
from gateway_secrets.stores.threads import StoreThreads, Threads


class Server:
    """Holds calls until it lets them go; counts those that are held, and remembers how many there were at a time."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self._lock = threading.Lock()
        self.begun = self.held = self.most = 0

    def call(self, answer: str = "answer") -> str:
        with self._lock:
            self.begun += 1
            self.held += 1
            self.most = max(self.most, self.held)
        assert self.let_go.wait(60)
        with self._lock:
            self.held -= 1
        return answer


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.let_go.set()


def asking(store: StoreThreads, server: Server, calls: int) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(store.run(server.call, str(number))) for number in range(calls)]


async def begun() -> None:
    """Let tasks come to where they wait."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_no_more_than_there_are(server: Server) -> None:
    """Neither for one store nor for all; each gets its own answer."""
    threads = Threads(6)
    one, two = threads.of_store(3), threads.of_store(8)
    calls = [*asking(one, server, 10), *asking(two, server, 10)]
    await begun()
    assert (one.busy, two.busy) == (3, 2)  # a further one would be the first of nobody
    server.let_go.set()
    assert await asyncio.gather(*calls) == [str(number) for number in range(10)] * 2
    assert (one.busy, two.busy) == (0, 0)
    assert server.most <= 6


@given(stores=st.integers(1, 12), threads=st.integers(1, 40), most=st.integers(1, 9))
def test_who_hangs_leaves_threads_to_others(stores: int, threads: int, most: int) -> None:
    """As long as fewer stores hang than half of the threads, one more store has one at once; and of those none is without."""
    hanging, other = Server(), Server()
    other.let_go.set()

    async def scene() -> None:
        pool = Threads(threads)
        stuck = [pool.of_store(most) for _ in range(stores)]
        calls = [call for store in stuck for call in asking(store, hanging, 10)]
        await begun()
        assert sum(store.busy for store in stuck) <= threads
        assert all(store.busy <= most for store in stuck)
        if stores <= threads - threads // 2:
            assert all(store.busy for store in stuck)
        if stores < threads - threads // 2:
            assert await pool.of_store(most).run(other.call) == "answer"
        hanging.let_go.set()
        await asyncio.gather(*calls)

    asyncio.run(scene())


@given(stores=st.integers(1, 60), threads=st.integers(2, 40), most=st.integers(1, 9))
def test_a_server_that_hangs_leaves_threads_to_others(stores: int, threads: int, most: int) -> None:
    """However many stores, generators and namespaces ask it; all of them have threads again when it answers."""
    hanging, other = Server(), Server()
    other.let_go.set()

    async def scene() -> None:
        pool = Threads(threads)
        stuck = [pool.of_store(most, "https://vault") for _ in range(stores)]
        calls = [call for store in stuck for call in asking(store, hanging, 3)]
        await begun()
        assert all(store.busy <= most for store in stuck)
        elsewhere = [pool.of_store(most) for _ in range(2 if threads >= 16 else 1)]
        if threads >= 4:
            answers = [store.run(other.call) for store in elsewhere]
            assert set(await asyncio.gather(*answers)) == {"answer"}
        hanging.let_go.set()
        await asyncio.gather(*calls)
        again = [store.run(hanging.call) for store in stuck]
        assert set(await asyncio.gather(*again)) == {"answer"}
        assert all(not store.busy for store in stuck)

    asyncio.run(scene())


async def test_who_leaves_is_not_served_and_keeps_nobody(server: Server) -> None:
    """A call that waited is never begun; one that was begun has its thread until it ends."""
    threads = Threads(1)
    store = threads.of_store(1)
    first, second, third = asking(store, server, 3)
    await begun()
    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert store.busy == 1
    server.let_go.set()
    assert await third == "2"
    assert server.begun == 2


async def test_who_waits_for_a_store_that_is_closed_is_told(server: Server) -> None:
    """As an error of the store; what has begun comes to its end."""
    threads = Threads(1)
    store = threads.of_store(1)
    calls = asking(store, server, 3)
    await begun()
    store.close()
    for call in (*calls[1:], asyncio.ensure_future(store.run(server.call))):
        with pytest.raises(UnavailableError, match="closed"):
            await call
    server.let_go.set()
    assert await calls[0] == "0"
    store.close()


async def test_what_a_call_raises_is_raised() -> None:
    """And its thread serves the next."""
    store = Threads(1).of_store(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            await store.run(int, "x")
    assert await store.run(int, "7") == 7


async def test_there_are_no_threads_without_stores(server: Server) -> None:
    """The last store that closes ends them; the next one has new ones."""
    server.let_go.set()
    pool = Threads(4)
    for _ in range(2):
        store, other = pool.of_store(2), pool.of_store(2)
        other.close()
        assert await store.run(threading.current_thread) in threading.enumerate()
        thread = await store.run(threading.current_thread)
        store.close()
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()
