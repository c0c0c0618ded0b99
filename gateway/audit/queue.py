"""A worker's decisions on their way to the disk: a bounded queue, and what of it the writer has acknowledged."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.audit.wire import Entry

MAX_BYTES = 64 * 1024 * 1024
"""Bound on what one worker holds in memory for the log."""


class Waiting:
    """One entry in the queue."""

    __slots__ = ("done", "entry", "since", "size")

    def __init__(self, entry: Entry, since: float, done: asyncio.Future[None] | None) -> None:
        self.entry = entry
        self.size = entry.size
        self.since = since
        self.done = done


class Queue:
    """First in, first out; what was sent stays until it is acknowledged. ``records`` bounds the length.

    Not a network client: pure bookkeeping in one event loop.
    """

    def __init__(self, records: int, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_records = records
        self._max_bytes = max_bytes
        self._unsent: deque[Waiting] = deque()
        self._sent: deque[Waiting] = deque()
        self._room_waiters: deque[asyncio.Future[None]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._unsent) + len(self._sent)

    @property
    def unsent(self) -> int:
        """How many entries wait to be sent."""
        return len(self._unsent)

    @property
    def oldest(self) -> float | None:
        """When the oldest entry was queued, on the queue's clock."""
        head = self._sent or self._unsent
        return head[0].since if head else None

    def has_room(self) -> bool:
        """Whether one more may be added. One large entry may overshoot the bound on bytes."""
        return len(self) < self._max_records and self.bytes < self._max_bytes

    async def room(self) -> None:
        """Wait until there is room; those who wait are served in order."""
        while not self.has_room():
            waiter = asyncio.get_running_loop().create_future()
            self._room_waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Room that was offered to one who left belongs to the next.
                if waiter.done() and not waiter.cancelled():
                    self._offer_room(1)
                raise

    def put(self, waiting: Waiting) -> None:
        """Add one entry."""
        self._unsent.append(waiting)
        self.bytes += waiting.size

    def take(self, max_bytes: int) -> list[Entry]:
        """The next entries to send, at least one if there is any, and about ``max_bytes`` at most."""
        batch: list[Entry] = []
        size = 0
        while self._unsent and size < max_bytes:
            waiting = self._unsent.popleft()
            self._sent.append(waiting)
            batch.append(waiting.entry)
            size += waiting.size
        return batch

    def acknowledge(self, count: int) -> None:
        """The first ``count`` of those sent are on disk."""
        for _ in range(min(count, len(self._sent))):
            waiting = self._sent.popleft()
            self.bytes -= waiting.size
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(None)
        self._offer_room(count)

    def unsend(self) -> int:
        """Whatever was sent and not acknowledged is to be sent again, first; returns how many those are."""
        count = len(self._sent)
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        return count

    def fail(self, error: Callable[[], Exception]) -> None:
        """Let nobody wait any longer; what is queued stays queued."""
        for waiting in (*self._sent, *self._unsent):
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(error())
        while self._room_waiters:
            waiter = self._room_waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error())

    def release(self) -> None:
        """Let those go on who wait for an acknowledgement; their entries stay queued."""
        for waiting in (*self._sent, *self._unsent):
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_result(None)

    def _offer_room(self, count: int) -> None:
        while count and self._room_waiters and self.has_room():
            waiter = self._room_waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1
