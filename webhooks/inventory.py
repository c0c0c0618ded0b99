"""Other objects of the cluster, as rules see them below ``data.inventory``: watched, and written to the rules in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import Json
from gateway.kube import Key, KubeClient, WatchCache
from gateway.kube.limits import CacheLimits
from gateway.kube.resource import of_kind

Put = Callable[[Sequence[str], Any], Awaitable[None]]
"""Replaces what is below a path of the inventory; None removes it."""

_GATHER_SECONDS = 0.1
"""Changes that come within this time are written together."""
_TOGETHER = 20
"""So many changed objects of a namespace are written as all of its objects."""
_PROBE_SECONDS = 30.0
_RETRY_SECONDS = 2.0
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_HIDDEN = ("data", "stringData")
_log = logging.getLogger(__name__)


def reduced(document: Json, api_version: str, kind: str) -> Json:
    """What rules may see of an object: no managed fields, and nothing of a Secret's values.

    Its type is added: of a list's items it is not stated.
    """
    item = {"apiVersion": api_version, "kind": kind, **document}
    metadata = item["metadata"]
    metadata.pop("managedFields", None)
    if (api_version, kind) == ("v1", "Secret"):
        metadata.get("annotations", {}).pop(_LAST_APPLIED, None)
        item = {key: value for key, value in item.items() if key not in _HIDDEN}
    return item


class Inventory:
    """All objects of some types, written into every set of rules that :meth:`feed` was called with."""

    def __init__(self, client: KubeClient, *, limits: CacheLimits | None = None) -> None:
        self._client = client
        self._limits = limits
        self._targets: list[Put] = []
        self._types: dict[str, _Type] = {}

    async def feed(self, kinds: Iterable[str], put: Put) -> None:
        """Write what is known of these types, such as ``networking.k8s.io/v1/Ingress``, and of the others, from now on.

        Raises:
            UndecidedError: the rules do not take it.
        """
        self._targets.append(put)
        for kind in sorted(set(kinds) - self._types.keys()):
            self._types[kind] = one = _Type(self._client, kind, self._put, self._limits)
            one.start()
        for one in self._types.values():
            await one.write_all(put)

    def starve(self, put: Put) -> None:
        """Write no more into rules that are no longer in force."""
        self._targets = [target for target in self._targets if target != put]

    async def _put(self, path: Sequence[str], value: Any) -> None:
        for put in tuple(self._targets):
            await put(path, value)

    @property
    def known(self) -> frozenset[str]:
        """The types whose objects the rules have, all of them."""
        return frozenset(kind for kind, one in self._types.items() if not one.problem)

    def checks(self) -> dict[str, bool | str]:
        """By type, whether its objects were read; else why not."""
        return {f"inventory {kind}": one.problem or True for kind, one in self._types.items()}

    async def close(self) -> None:
        """Stop."""
        for one in self._types.values():
            await one.close()


class _Type:
    """The objects of one type. ``problem``: why the rules do not have them all; empty when they do."""

    def __init__(self, client: KubeClient, kind: str, put: Put, limits: CacheLimits | None) -> None:
        self._client = client
        self._api_version, _, self._kind = kind.rpartition("/")
        self._put = put
        self._limits = limits
        self._reduce = partial(reduced, api_version=self._api_version, kind=self._kind)
        self._dirty: set[Key] = set()
        self._changed = asyncio.Event()
        self._cache: WatchCache[Json] | None = None
        self._absent = False
        self._written = False
        self._failure = "not read yet"
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        cache = self._cache
        if cache is None:
            return "" if self._absent else self._failure
        if not cache.synced:
            return cache.problem
        return "" if self._written and not self._failure else self._failure or "not read yet"

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"inventory {self._kind}")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._cache is not None:
            await self._cache.close()

    async def write_all(self, put: Put) -> None:
        """Hand everything over that is there."""
        by_namespace: dict[str, Json] = {}
        for key, value in self._cache.items() if self._cache is not None else ():
            by_namespace.setdefault(key.namespace, {})[key.name] = value
        for namespace, objects in by_namespace.items():
            await put(self._path(namespace), objects)
            await asyncio.sleep(0)  # requests are answered meanwhile

    def _path(self, namespace: str) -> list[str]:
        where = ["namespace", namespace] if namespace else ["cluster"]
        return [*where, self._api_version, self._kind]

    async def _run(self) -> None:
        self._cache = cache = await self._found()
        cache.start()
        while True:
            if cache.synced and not self._dirty:
                self._written = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _GATHER_SECONDS if not self._written else None)
            self._changed.clear()
            if self._written:
                await asyncio.sleep(_GATHER_SECONDS)
            await self._write(cache)

    async def _found(self) -> WatchCache[Json]:
        """Wait until the cluster serves the type. Until it does, there are no objects of it."""
        while True:
            try:
                resource = await of_kind(self._client, self._api_version, self._kind)
            except ClusterError as error:
                self._failure, self._absent = str(error), False
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if resource is not None:
                self._failure = ""
                return WatchCache(self._client, resource, self._reduce, on_change=self._on_change, limits=self._limits)
            self._absent = True
            await asyncio.sleep(_PROBE_SECONDS)

    def _on_change(self, key: Key, _old: Json | None, _new: Json | None) -> None:
        self._dirty.add(key)
        self._changed.set()

    async def _write(self, cache: WatchCache[Json]) -> None:
        """Hand the changes over: object by object, or all of a namespace's at once where they are many."""
        dirty, self._dirty = self._dirty, set()
        by_namespace: dict[str, list[Key]] = {}
        for key in dirty:
            by_namespace.setdefault(key.namespace, []).append(key)
        many = {namespace for namespace, keys in by_namespace.items() if len(keys) >= _TOGETHER}
        together: dict[str, Json] = {namespace: {} for namespace in many}
        for key, value in cache.items() if many else ():
            if key.namespace in many:
                together[key.namespace][key.name] = value
        try:
            for namespace, keys in by_namespace.items():
                path = self._path(namespace)
                if namespace in many:
                    await self._put(path, together[namespace])
                else:
                    for key in keys:
                        await self._put([*path, key.name], cache.get(*key))
                await asyncio.sleep(0)  # requests are answered meanwhile
        except UndecidedError as error:
            self._dirty |= dirty
            self._failure = str(error)
            _log.warning("inventory not written", extra={"fields": {"kind": self._kind, "problem": str(error)}})
            await asyncio.sleep(_RETRY_SECONDS)
            self._changed.set()
        else:
            self._failure = ""
