"""Servers of tests that have an event loop of their own, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Self


class InThread:
    """Runs while the context lasts; it has begun when that begins.

    A class of it says in :meth:`serve` what is done in the thread: until ``stop`` is set, and after :meth:`begun`.
    """

    def __init__(self) -> None:
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        await self.serve()

    def begun(self) -> None:
        """Connections are taken."""
        self._listening.set()

    async def serve(self) -> None:
        """See the class."""
        raise NotImplementedError
