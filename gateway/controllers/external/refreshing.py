"""What objects read besides the path that leads them, read when its own window ends: once for all that follow it.

An object of many paths is looked at once in its interval, and when one of them has changed; still none of its values is older
than the interval.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

from gateway.controllers.external.agenda import Agenda
from gateway.controllers.external.reading import Reading, Sources
from gateway.controllers.external.shared import Path
from gateway.controllers.external.uses import Group, Stamp, Uses, asked_of_path, ref_of_path
from gateway.controllers.external.windows import good_since
from gateway.kube import Key
from gateway_secrets.external.spec import external_of
from gateway_secrets.stores.model import Find

CONCURRENCY = 8


class Refresher:
    """Reads for groups when it is their time. ``outdated`` is told of the objects that have another state of what was read, or
    for which it cannot be read: what is wrong is told when they are looked at.
    """

    def __init__(self, sources: Sources, uses: Uses, outdated: Callable[[Iterable[Key]], None]) -> None:
        self._sources = sources
        self._uses = uses
        self._outdated = outdated
        self._agenda = Agenda()
        self._appeared = asyncio.Event()
        self._room = asyncio.Semaphore(CONCURRENCY)
        uses.appeared = self._put

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as reads:
            while True:
                while (group := self._agenda.take(loop.time())) is not None:
                    if self._uses.followers(group):
                        await self._room.acquire()
                        reads.create_task(self._one(group))
                self._appeared.clear()
                comes = self._agenda.next
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(comes):
                        await self._appeared.wait()

    def _put(self, group: Group) -> None:
        self._agenda.put(group, asyncio.get_running_loop().time(), time.time())
        self._appeared.set()

    async def _one(self, group: Group) -> None:
        try:
            self._outdated(await self.refresh(group, time.time()))
        finally:
            self._room.release()
            self._put(group)

    async def refresh(self, group: Group, now: float) -> list[Key]:
        """Read what a group reads, and which of it have another state of it."""
        path, interval = group
        followers = sorted(self._uses.followers(group))
        since = max(good_since(path, interval, now), self._uses.outdated_at(path))
        try:
            stamp = await self._read(path, followers[0], since) if followers else None
        except Exception:  # noqa: BLE001 - whatever is wrong, the others' looks say it of their own objects
            return followers
        return self._uses.behind(path, stamp, followers) if stamp is not None else []

    async def _read(self, path: Path, key: Key, since: float) -> Stamp | None:
        """The state of what is at a path, read for one object; None if that does not read it any more."""
        held = self._sources.known.externals(key)
        if held is None:
            return None
        store = ref_of_path(path)
        reading = Reading(external_of(held.document), self._sources, lambda _: since)
        asked = asked_of_path(path)
        if isinstance(asked, Find):
            await reading.find(store, asked)
        else:
            await reading.payload(store, asked)
        return reading.stamps.get(path)
