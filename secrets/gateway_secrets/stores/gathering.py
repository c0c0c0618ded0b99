"""Reads that are asked for one by one, at the same moment, and made in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway_secrets.stores.errors import StoreError, UnavailableError
from gateway_secrets.stores.model import Payload, Reference

Read = Callable[[Sequence[Reference]], Awaitable[Sequence[Payload | StoreError]]]
"""The result of each reference, in order."""


class Gathering:
    """What is asked for within ``seconds`` of each other is read together, and at once when it is as much as goes together."""

    def __init__(self, read: Read, seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._waiting: list[tuple[Reference, asyncio.Future[Payload]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._reading: set[asyncio.Task[None]] = set()

    async def payload(self, reference: Reference, most: int) -> Payload:
        """As one of at most so many.

        Raises:
            StoreError: that of this reference.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Payload] = loop.create_future()
        self._waiting.append((reference, answer))
        if len(self._waiting) >= most:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._send)
        return await answer

    def close(self, why: str) -> None:
        """Who waits is told."""
        self._stop()
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_exception(UnavailableError(why))
        self._waiting = []

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        self._stop()
        wanted, self._waiting = [one for one in self._waiting if not one[1].done()], []
        if wanted:
            task = asyncio.ensure_future(self._answer(wanted))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _answer(self, wanted: Sequence[tuple[Reference, asyncio.Future[Payload]]]) -> None:
        try:
            found: Sequence[Payload | BaseException] = await self._read([reference for reference, _ in wanted])
        except asyncio.CancelledError:
            found = [UnavailableError("the read was broken off")] * len(wanted)
        except Exception as error:  # noqa: BLE001 - it is of who waits
            found = [error] * len(wanted)
        for (_, answer), result in zip(wanted, found, strict=True):
            if answer.done():
                continue  # who asked has left
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)
