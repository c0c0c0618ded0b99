"""Calls of the native library for an event loop: no thread waits, a descriptor says that results are there."""

from __future__ import annotations

import asyncio
import weakref
from itertools import count

from gateway.native.library import Library, library, result

PATIENCE_SECONDS = 0.002
"""So long a call is waited for where it is made: most take a fraction of that, and to be woken by a descriptor costs
more than they do. The loop stands still meanwhile, on a processor that works for it."""


class Mailbox:
    """Submitted calls of one event loop; use :func:`mailbox`. The queue is closed when the loop is collected."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lib: Library, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._library = lib
        self._patience_seconds = patience_seconds
        self._loop = weakref.ref(loop)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = count(1)
        self._queue, self._descriptor = lib.open_queue()
        self._close = weakref.finalize(loop, lib.close_queue, self._queue)
        self._reading = False

    async def call(self, method: str, payload: bytes, timeout_seconds: float) -> bytes:
        """Run a handler. After ``timeout_seconds`` nobody waits for it any more, whatever it does.

        Raises:
            TimeoutError: no answer in time.
            NativeError: the call failed.
        """
        number = next(self._numbers)
        patience = min(self._patience_seconds, timeout_seconds)
        soon = self._library.submit(self._queue, number, method, payload, patience_seconds=patience)
        if soon is not None:
            return result(*soon)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting[number] = future
        # The reader is registered while there is something to wait for: a loop that is closed has none left.
        if not self._reading:
            loop.add_reader(self._descriptor, self._deliver)
            self._reading = True
        timer = loop.call_later(timeout_seconds - patience, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(number, None)
            if not self._waiting:
                loop.remove_reader(self._descriptor)
                self._reading = False

    def _deliver(self) -> None:
        while (taken := self._library.take(self._queue)) is not None:
            number, status, output = taken
            future = self._waiting.get(number)
            if future is None or future.done():
                continue
            try:
                future.set_result(result(status, output))
            except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
                future.set_exception(error)


def _expire(future: asyncio.Future[bytes]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox] = weakref.WeakKeyDictionary()


def mailbox() -> Mailbox:
    """The mailbox of the running loop.

    Raises:
        NativeMissingError: there is no library.
    """
    loop = asyncio.get_running_loop()
    found = _mailboxes.get(loop)
    if found is None:
        found = _mailboxes[loop] = Mailbox(loop, library())
    return found
