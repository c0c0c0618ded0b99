"""One read for all who ask for the same: what was read is kept until its window ends, within bounds for each namespace.

Who asks says since when what is given must have been read. A read that is under way is waited for, and errors are shared as
well: however many objects use a path that fails, it is asked for once at a time. No value is in any ``repr``.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from gateway.tasks import is_cancelled
from gateway_secrets.stores.errors import StoreError, UnavailableError
from gateway_secrets.stores.model import Payload

Path = tuple[str, ...]
"""The identity of a store, and what is asked of it."""
Clock = Callable[[], float]
_FIXED_BYTES = 512
"""Of one entry, besides what was read."""


class Kept(msgspec.Struct, frozen=True):
    """What was read, and when that was begun, in seconds since the epoch. ``shared``: it was not read for who asked."""

    payload: Payload
    began: float
    shared: bool

    def __repr__(self) -> str:
        return f"Kept({self.began})"


class _Entry(msgspec.Struct):
    tenant: str
    began: float
    size: int
    payload: Payload | None = None
    error: StoreError | None = None

    def __repr__(self) -> str:
        return f"_Entry({self.began})"


class Shared:
    """What was read lately. For one event loop."""

    def __init__(
        self,
        most_bytes: int,
        tenant_bytes: int,
        *,
        clock: Clock = time.time,
        on_read: Callable[[], None] = lambda: None,
        on_hit: Callable[[], None] = lambda: None,
    ) -> None:
        self._most = most_bytes
        self._tenant_most = tenant_bytes
        self._clock = clock
        self._entries: OrderedDict[Path, _Entry] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._flights: dict[Path, tuple[float, asyncio.Future[Payload]]] = {}
        self._on_read = on_read
        self._on_hit = on_hit

    @property
    def bytes(self) -> int:
        """That are kept."""
        return self._total

    async def get(self, path: Path, tenant: str, since: float, read: Callable[[], Awaitable[Payload]]) -> Kept:
        """What ``path`` holds, read at ``since`` or later. ``tenant``: in whose bounds it is kept if it is read now.

        Raises:
            StoreError: as ``read``, or as it did for somebody else at ``since`` or later.
        """
        entry = self._entries.get(path)
        # What was begun in times to come was timed by a clock that was set back since.
        if entry is not None and since <= entry.began <= self._clock():
            self._entries.move_to_end(path)
            self._on_hit()
            if entry.error is not None:
                raise type(entry.error)(str(entry.error))
            assert entry.payload is not None  # noqa: S101 - it has one of the two
            return Kept(entry.payload, entry.began, shared=True)
        flight = self._flights.get(path)
        if flight is not None and since <= flight[0]:
            self._on_hit()
            return Kept(await _landing(flight[1]), flight[0], shared=True)
        began = self._clock()
        task = asyncio.ensure_future(self._read(path, tenant, began, read))
        self._flights[path] = (began, task)
        task.add_done_callback(lambda done: self._landed(path, done))
        return Kept(await _landing(task), began, shared=False)

    async def close(self) -> None:
        """Break off the reads that are under way."""
        flights = [task for _, task in self._flights.values()]
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _read(self, path: Path, tenant: str, began: float, read: Callable[[], Awaitable[Payload]]) -> Payload:
        self._on_read()
        try:
            payload = await read()
        except StoreError as error:
            self._keep(path, _Entry(tenant, began, _FIXED_BYTES, error=error))
            raise
        fields = sum(len(key) + len(value) for key, value in (payload.fields or {}).items())
        self._keep(path, _Entry(tenant, began, _FIXED_BYTES + len(payload.whole or b"") + fields, payload))
        return payload

    def _landed(self, path: Path, done: asyncio.Future[Payload]) -> None:
        if self._flights.get(path, (0.0, None))[1] is done:
            del self._flights[path]
        if not done.cancelled():
            done.exception()  # seen: whoever waited for it may have left

    def _keep(self, path: Path, entry: _Entry) -> None:
        self._remove(path)
        if entry.size > min(self._most, self._tenant_most):
            return
        self._entries[path] = entry
        self._sizes[entry.tenant] = self._sizes.get(entry.tenant, 0) + entry.size
        self._total += entry.size
        while self._sizes.get(entry.tenant, 0) > self._tenant_most:
            self._remove(next(path for path, one in self._entries.items() if one.tenant == entry.tenant))
        while self._total > self._most:
            self._remove(next(iter(self._entries)))

    def _remove(self, path: Path) -> None:
        entry = self._entries.pop(path, None)
        if entry is None:
            return
        self._total -= entry.size
        self._sizes[entry.tenant] -= entry.size
        if not self._sizes[entry.tenant]:
            del self._sizes[entry.tenant]


async def _landing(flight: asyncio.Future[Payload]) -> Payload:
    """What a read gives. Shielded: who waits no more must not take it from the others; nor does its end end them."""
    try:
        return await asyncio.shield(flight)
    except asyncio.CancelledError:
        if is_cancelled() or not flight.cancelled():
            raise
        raise UnavailableError("the read was broken off") from None
