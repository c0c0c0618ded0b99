"""Versions of what is read, asked for again and again without the values: a change is seen before its time has come."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from gateway.controllers.external.known import Known
from gateway.controllers.external.shared import Path
from gateway.controllers.external.stores import Stores
from gateway.controllers.external.uses import Stamp, Uses, identity_of_path, key_of_path, ref_of_path
from gateway.core.errors import GovgateError
from gateway.kube import Key
from gateway_secrets.stores.errors import (
    NoVersionsError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
    UnusableError,
)

CONCURRENCY = 8
MAX_PAUSE_SECONDS = 300.0
_EMPTY_SECONDS = 1.0
"""At the start nothing is known to be read yet."""
_log = logging.getLogger(__name__)


class Pauses:
    """Paths whose version could not be had: they are asked for ever later, and stores that keep none not at all. What is known
    of a path or a store goes when nobody reads it any more; another manifest makes it another one. Pure.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failures: dict[Path, tuple[int, float]] = {}
        self._without: set[tuple[str, ...]] = set()

    def open(self, paths: list[Path], now: float) -> list[Path]:
        """Those of all that are read that are to be asked for."""
        there, stores = frozenset(paths), {identity_of_path(path) for path in paths}
        self._failures = {path: paused for path, paused in self._failures.items() if path in there}
        self._without &= stores
        return [
            path
            for path in paths
            if identity_of_path(path) not in self._without and self._failures.get(path, (0, 0.0))[1] <= now
        ]

    def failed(self, path: Path, error: StoreError, now: float) -> bool:
        """It could not be had. Whether that is worth telling: it is new, and not the passing trouble of a store."""
        if isinstance(error, UnavailableError | ThrottledError | RejectedError | UnreadyError):
            return False  # of the store as a whole, which is spared, and told of, already
        if isinstance(error, NoVersionsError):
            new = identity_of_path(path) not in self._without
            self._without.add(identity_of_path(path))
            return new
        times, _ = self._failures.get(path, (0, 0.0))
        # Half a round less: the round in which it is its turn may begin a little early.
        pause = min(self._seconds * 2.0**times, max(self._seconds, MAX_PAUSE_SECONDS)) - self._seconds / 2
        self._failures[path] = (times + 1, now + pause)
        return not times

    def answered(self, path: Path) -> None:
        """It could be had."""
        self._failures.pop(path, None)


class Poller:
    """Asks for each path once in ``seconds``, evenly spread. ``outdated`` is told of objects that have another version."""

    def __init__(
        self, known: Known, stores: Stores, uses: Uses, seconds: float, outdated: Callable[[Iterable[Key]], None]
    ) -> None:
        self._known = known
        self._stores = stores
        self._uses = uses
        self._seconds = seconds
        self._outdated = outdated
        self._pauses = Pauses(seconds)
        self._room = asyncio.Semaphore(CONCURRENCY)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = asyncio.get_running_loop().time()
            paths = self._pauses.open(self._uses.polled(), began)
            if not paths:
                await asyncio.sleep(min(self._seconds, _EMPTY_SECONDS))
                continue
            async with asyncio.TaskGroup() as asked:
                for index, path in enumerate(paths, 1):
                    await self._room.acquire()
                    asked.create_task(self._one(path))
                    # By the clock, not by pauses: many of these take longer than they say.
                    left = began + self._seconds * index / len(paths) - asyncio.get_running_loop().time()
                    await asyncio.sleep(max(0.0, left))

    async def _one(self, path: Path) -> None:
        try:
            self._outdated(await self.ask(path))
        finally:
            self._room.release()

    async def ask(self, path: Path) -> list[Key]:
        """Which objects have another version of a path than its store has, or may have."""
        users = self._uses.users(path)
        asking = min((key.namespace for key in users), default="")
        ref = ref_of_path(path)
        try:
            store = self._known.store(ref, asking)
            if store.identity(asking) != identity_of_path(path):
                return []  # it is another store now: who reads it is looked at anew, and polls what that has
            key = key_of_path(path)
            found = await self._stores.ask(store, asking, lambda reader: reader.describe(key), about=key)
        except StoreError as error:
            if self._pauses.failed(path, error, asyncio.get_running_loop().time()):
                fields = {"store": str(ref), "key": key_of_path(path), "problem": str(error)}
                _log.warning("a version cannot be polled", extra={"fields": fields})
            return []
        except GovgateError:
            return []  # what is wrong is told when it is read
        except Exception as error:  # noqa: BLE001 - whatever is odd about one path, the others are asked for; no text: it may hold a value
            odd = UnusableError(f"internal error: {type(error).__name__}")
            if self._pauses.failed(path, odd, asyncio.get_running_loop().time()):
                fields = {"store": str(ref), "key": key_of_path(path), "problem": str(odd)}
                _log.warning("a version cannot be polled", extra={"fields": fields})
            return []
        self._pauses.answered(path)
        if not found.version:
            return []
        behind = self._uses.behind(path, Stamp(found.version), users)
        if behind:
            self._uses.outdate(path, time.time())
        return behind
