"""A cache of all objects of one resource type: listed once, then followed by a watch.

Look-ups never wait. The objects are reduced as they arrive to what the reader needs, so that thousands of large ones
take little memory. Source: Kubernetes API concepts, "Efficient detection of changes", and client-go's Reflector.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube import wire
from gateway.kube.client import KubeClient
from gateway.kube.errors import ApiError
from gateway.kube.limits import CacheLimits
from gateway.kube.resource import ResourceType, served_version
from gateway.kube.store import Entry, Key, OnChange, Store

T = TypeVar("T")

_FORBIDDEN, _NOT_FOUND, _GONE = 403, 404, 410
_SHORT_WATCH_SECONDS = 1.0
_REDUCED_AT_A_TIME = 20
_decode_json = msgspec.json.Decoder(dict[str, Any]).decode
_log = logging.getLogger("gateway.kube")


_SYNC_POLL_SECONDS = 0.05


class WatchCache(Generic[T]):
    """All objects of ``resource``, each as what ``reduce`` makes of it: in all namespaces, or in ``namespace``; or those that
    have the labels of ``selector``.

    ``reduce`` gets the decoded object. One that it raises for is left out, logged and counted in ``unreadable``:
    a misshapen object of one tenant must not cost the others.

    ``synced``: the objects were all read, and may still be read. It stays true while the API server is away; then
    ``problem`` says so and ``age_seconds`` grows. A type that the cluster does not have is an empty cache, synced,
    and ``absent``; it is looked for again and again.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: ResourceType,
        reduce: Callable[[Json], T],
        *,
        namespace: str = "",
        selector: str = "",
        on_change: OnChange[T] | None = None,
        limits: CacheLimits | None = None,
    ) -> None:
        self.resource = resource
        self.synced = False
        self.absent = False
        self.problem = "not read yet"
        self._client = client
        self._reduce = reduce
        self._namespace = namespace
        self._selected = {"labelSelector": selector} if selector else {}
        self._limits = limits or CacheLimits()
        self._store: Store[T] = Store(on_change)
        self._version: str | None = None
        self._resource_version = ""
        self._missing = False
        self._failures = 0
        self._heard_at = -math.inf
        self._task: asyncio.Task[None] | None = None

    def get(self, namespace: str, name: str) -> T | None:
        """The object's reduced form; None if there is none. ``namespace`` is empty for a cluster-scoped type."""
        entry = self._store.entry(Key(namespace, name))
        return entry.value if entry else None

    def items(self) -> Iterator[tuple[Key, T]]:
        """All objects, in no order. Not to be kept across an ``await``."""
        return self._store.items()

    def __len__(self) -> int:
        return len(self._store)

    @property
    def age_seconds(self) -> float:
        """Since the API server last told something: a list, an event, a bookmark. Infinite before the first."""
        return time.monotonic() - self._heard_at

    @property
    def unreadable(self) -> int:
        """How many objects are there that could not be reduced."""
        return len(self._store.unreadable)

    def start(self) -> None:
        """Begin to list and watch, in a task of its own on the running loop."""
        self._task = asyncio.create_task(self.run(), name=f"watch {self.resource}")

    async def close(self) -> None:
        """Stop. What was read stays readable."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run(self) -> None:
        """List and watch until cancelled; every failure is retried, and shown in ``problem`` until it is over."""
        while True:
            try:
                delay = await self._step()
            except ClusterError as error:
                delay = self._failed(error)
            except msgspec.DecodeError as error:
                delay = self._failed(ClusterError(f"unreadable answer: {str(error)[:200]}"))
            except Exception as error:  # noqa: BLE001 - a bug must show, not end as a cache that looks good and is stale
                _log.exception("cache failed", extra=self._fields())
                self._start_over()
                delay = self._failed(ClusterError(f"internal error: {type(error).__name__}"))
            await asyncio.sleep(delay)

    async def _step(self) -> float:
        """Discover, list, and watch for as long as the watch lasts. Returns the seconds to wait before the next."""
        if self._version is None:
            self._version = await served_version(self._client, self.resource)
            if self._version is None:
                return self._not_there()
            self._missing = False
        if not self._resource_version:
            await self._list(self._version)
        started = time.monotonic()
        await self._watch(self._version)
        if time.monotonic() - started < _SHORT_WATCH_SECONDS:
            self._failures += 1
            return self._backoff_seconds()
        return 0.0

    async def _list(self, version: str) -> None:
        """Read everything, page by page; readers see the old state until the last page is there."""
        entries: dict[Key, Entry[T] | None] = {}
        query = {"limit": str(self._limits.page_objects), **self._selected}
        while True:
            page = wire.decode_page(await self._client.read(self.resource.path(version, self._namespace), query))
            for index, raw in enumerate(page.items or ()):
                key, entry = self._read(raw)
                entries[key] = entry
                if index % _REDUCED_AT_A_TIME == 0:
                    await asyncio.sleep(0)  # a long list must not hold up the requests that this process answers
            self._check_room(len(entries))
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._store.replace(entries)
        self._resource_version = page.metadata.resource_version
        self.absent = False
        self._in_order()

    async def _watch(self, version: str) -> None:
        """Follow the changes since the list, or since the last watch, until the server ends the watch."""
        seconds = self._limits.watch_seconds
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._resource_version,
            **self._selected,
            # Spread, so that many caches do not come back at once.
            "timeoutSeconds": str(max(1, round(seconds * _between(0.8, 1.0)))),
        }
        lines = wire.LineSplitter(self._limits.max_event_bytes)
        path = self.resource.path(version, self._namespace)
        async with self._client.stream(path, query, silence_seconds=self._limits.silence_seconds) as pieces:
            self._set_problem("")
            async for piece in pieces:
                for line in lines.feed(piece):
                    self._take(wire.decode_event(line))

    def _take(self, event: wire.Event) -> None:
        if event.type == "ERROR":
            status = wire.decode_status(event.object)
            raise ApiError(status.code, status.reason, status.message)
        metadata = wire.decode_object(event.object).metadata
        key = Key(metadata.namespace, metadata.name)
        if event.type == "DELETED":
            self._store.remove(key)
        elif event.type in {"ADDED", "MODIFIED"}:
            self._store.put(*self._read(event.object))
            self._check_room(len(self._store))
        elif event.type != "BOOKMARK":
            raise ClusterError(f"unknown watch event {event.type[:32]!r}")
        self._resource_version = metadata.resource_version
        self._failures = 0
        self._in_order()

    def _read(self, raw: msgspec.Raw) -> tuple[Key, Entry[T] | None]:
        """One object reduced: what is held already if it is of the same version, None if it cannot be read."""
        metadata = wire.decode_object(raw).metadata
        key = Key(metadata.namespace, metadata.name)
        held = self._store.entry(key)
        if held is not None and held.resource_version == metadata.resource_version:
            return key, held
        try:
            return key, Entry(metadata.resource_version, self._reduce(_decode_json(raw)))
        except Exception as error:  # noqa: BLE001 - whatever a tenant's object makes of the reader, the others go on
            _log.warning("object unreadable", extra=self._fields(object="/".join(key), error=type(error).__name__))
            return key, None

    def _check_room(self, objects: int) -> None:
        if objects > self._limits.max_objects:
            self._start_over()
            raise ClusterError(f"more than {self._limits.max_objects} objects")

    def _start_over(self) -> None:
        """What is held is not to be relied on until it was listed again."""
        self.synced = False
        self._resource_version = ""

    def _not_there(self) -> float:
        """The cluster does not serve the type. What was there before is given up only when that is confirmed."""
        if len(self._store) and not self._missing:
            self._missing = True
            self._set_problem("the resource type is not served any more")
            return self._limits.confirm_seconds
        self._store.replace({})
        self.absent = True
        self._in_order()
        return self._limits.probe_seconds * _between(0.8, 1.2)

    def _in_order(self) -> None:
        self.synced = True
        self._heard_at = time.monotonic()
        self._set_problem("")

    def _failed(self, error: ClusterError) -> float:
        """Take note of a failure. Returns the seconds to wait."""
        asked_for = 0.0
        if isinstance(error, ApiError):
            asked_for = min(error.retry_after_seconds or 0.0, self._limits.max_retry_after_seconds)
            if error.code in {_GONE, _NOT_FOUND}:
                self._resource_version = ""
            if error.code == _NOT_FOUND:
                self._version = None
            if error.code == _FORBIDDEN:
                self._start_over()
        self._set_problem(str(error))
        delay = max(self._backoff_seconds(), asked_for)
        self._failures += 1
        return delay

    def _backoff_seconds(self) -> float:
        doubled = self._limits.backoff_seconds * 2.0 ** min(self._failures, 16)
        return min(doubled, self._limits.max_backoff_seconds) * _between(0.5, 1.0)

    def _fields(self, **more: object) -> dict[str, Any]:
        """For the log: whoever handles the record writes its ``fields``."""
        return {"fields": {"resource": str(self.resource), **more}}

    def _set_problem(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("cache has a problem", extra=self._fields(problem=problem))
        elif self.problem and not problem:
            _log.info("cache is in order", extra=self._fields(objects=len(self._store), absent=self.absent))
        self.problem = problem


def _between(low: float, high: float) -> float:
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing


async def until_synced(caches: Iterable[WatchCache[Any]]) -> None:
    """Until all of them have been read."""
    waiting = list(caches)
    while not all(cache.synced for cache in waiting):  # noqa: ASYNC110 - a cache announces nothing
        await asyncio.sleep(_SYNC_POLL_SECONDS)
