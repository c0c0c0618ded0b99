"""Versions of what is read, asked for again and again without the values: a change is seen before its time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.controllers.external.known import Known
from gateway.controllers.external.shared import Path
from gateway.controllers.external.stores import Stores
from gateway.controllers.external.uses import Uses, key_of_path, store_of_path
from gateway.core.errors import GovgateError
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.stores.errors import MisconfiguredError, UnreadyError

CONCURRENCY = 8
_EMPTY_SECONDS = 1.0
"""At the start nothing is known to be read yet."""
_log = logging.getLogger(__name__)


class Poller:
    """Asks for each path once in ``seconds``, evenly spread. ``changed`` is told of paths that have another version."""

    def __init__(
        self, known: Known, stores: Stores, uses: Uses, seconds: float, changed: Callable[[list[Path]], None]
    ) -> None:
        self._known = known
        self._stores = stores
        self._uses = uses
        self._seconds = seconds
        self._changed = changed
        self._without: set[tuple[str, ...]] = set()
        self._room = asyncio.Semaphore(CONCURRENCY)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            paths = self._uses.polled()
            if not paths:
                await asyncio.sleep(min(self._seconds, _EMPTY_SECONDS))
                continue
            began = asyncio.get_running_loop().time()
            async with asyncio.TaskGroup() as asked:
                for index, path in enumerate(paths, 1):
                    await self._room.acquire()
                    asked.create_task(self._one(path))
                    # By the clock, not by pauses: many of these take longer than they say.
                    left = began + self._seconds * index / len(paths) - asyncio.get_running_loop().time()
                    await asyncio.sleep(max(0.0, left))

    async def _one(self, path: Path) -> None:
        try:
            await self._ask(path)
        except GovgateError:
            pass  # what is wrong is told when it is read
        finally:
            self._room.release()

    async def _ask(self, path: Path) -> None:
        kind, namespace, name, whose = store_of_path(path)
        if path[:6] in self._without:
            return
        asking = whose or namespace or next((key.namespace for key in self._uses.users(path)), "")
        ref = StoreRef(name, "ClusterSecretStore" if kind == "ClusterSecretStore" else "SecretStore")
        store = self._known.store(ref, asking)
        if store.identity(asking) != path[:6]:
            return  # it is another store now: who reads it is looked at anew, and polls what that has
        try:
            found = await self._stores.ask(store, asking, lambda reader: reader.describe(key_of_path(path)))
        except UnreadyError:
            raise  # of the store, for now: it says nothing of versions
        except MisconfiguredError as error:
            # KV version 1 and the like: there is nothing to poll.
            self._without.add(path[:6])
            _log.warning("versions are not polled", extra={"fields": {"store": str(ref), "problem": str(error)}})
            return
        before = self._uses.version(path)
        if found.version:
            self._uses.saw(path, found.version)
        if before is not None and found.version and found.version != before:
            self._changed([path])
