"""Stores are asked once whether they take their credentials, before anything is said of them; and again while they do not.

A few at a time, and not more often than they can bear: a login that fails is not tried again at once, or accounts are locked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.controllers.external.known import Known
from gateway.controllers.external.reading import matches
from gateway.controllers.external.store_status import FAILED, UNKNOWN, VALID
from gateway.controllers.external.stores import Stores
from gateway.controllers.queue import WorkQueue
from gateway.core.errors import GovgateError
from gateway.kube import Key
from gateway.kube.pace import Pacer
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.external.store import CLUSTER_STORE, Store
from gateway_secrets.stores.errors import StoreError, ThrottledError, UnavailableError
from gateway_secrets.stores.reader import Reader

CONCURRENCY = 4
PER_SECOND = 10.0
AGAIN_SECONDS = 10.0
"""After a check that failed, at least; twice as long each time, up to 5 minutes."""
DOUBT_SECONDS = 60.0
CAN_BE_READ = "can be read"
EACH_ITS_OWN = "is read with credentials of each namespace's own"
_log = logging.getLogger(__name__)

Say = Callable[[Key, str, str], None]


class StoreChecks:
    """``say``: how a store is, by its key; the namespace is empty of one of the cluster."""

    def __init__(self, known: Known, stores: Stores, say: Say, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known = known
        self._stores = stores
        self._say = say
        self._clock = clock
        self._queue = WorkQueue(CONCURRENCY)
        self._pace = Pacer(PER_SECOND, round(PER_SECOND))
        self._asked: dict[Key, float] = {}

    def add(self, key: Key) -> None:
        """Have a store asked: it is new, another one, or answers again."""
        self._queue.add(key)

    def doubt(self, key: Key) -> None:
        """A read was refused, which may be for its credentials: have it asked, if that was not just done."""
        if self._clock() - self._asked.get(key, float("-inf")) > DOUBT_SECONDS:
            self._asked[key] = self._clock()
            self._queue.add(key)

    def forget(self, key: Key) -> None:
        """A store is no more, or no longer govgate's."""
        self._queue.forget(key)
        self._asked.pop(key, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CONCURRENCY):
                    tasks.create_task(self._work())
        finally:
            self._queue.close()

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._pace()
                good = await self._one(key)
            except Exception as error:  # noqa: BLE001 - whatever is odd about one store, the others are asked; no text: it may hold a value
                fields = {"store": "/".join(key), "problem": f"internal error: {type(error).__name__}"}
                _log.warning("store not checked", extra={"fields": fields})
                good = False
            except BaseException:
                self._queue.release(key)
                raise
            if good:
                self._queue.done(key)
            else:
                self._queue.retry(key, AGAIN_SECONDS)

    async def _one(self, key: Key) -> bool:
        """Ask one; whether that is done."""
        self._asked[key] = self._clock()
        ref = StoreRef(key.name, "SecretStore" if key.namespace else "ClusterSecretStore")
        try:
            store = self._known.store(ref, key.namespace)
        except GovgateError:
            return True  # it is gone, or cannot be read, which was said
        if not self._known.claims.store(store.spec.controller, key.namespace):
            return True  # it was given away meanwhile
        namespace = key.namespace or self._user(key, store)
        try:
            if namespace or not store.per_namespace:
                await self._stores.ask(store, namespace or "default", Reader.check)
        except (UnavailableError, ThrottledError):
            return False  # Stores told of the first one; the others are about the pause
        except StoreError as error:
            if not store.per_namespace:
                self._say(key, FAILED, str(error))
                return False
        # One namespace's credentials, good or bad, are no matter of the others'.
        self._say(key, *((UNKNOWN, EACH_ITS_OWN) if store.per_namespace else (VALID, CAN_BE_READ)))
        return True

    def _user(self, key: Key, store: Store) -> str:
        """A namespace that reads a store of the cluster; empty if none does that may."""
        namespaces = sorted({external.namespace for external in self._known.of_store(CLUSTER_STORE, key)})
        return next((one for one in namespaces if store.admits(one, self._known.labels(one), matches)), "")
