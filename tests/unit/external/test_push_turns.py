"""PushSecrets wait for their turn, each namespace in its own; and only those that a store concerns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from prometheus_client import CollectorRegistry

from gateway.controllers.external.push_held import HeldPush, held_push
from gateway.controllers.external.push_worker import Look
from gateway.controllers.external.pushes import Pushes
from gateway.controllers.metrics import PushMetrics
from gateway.controllers.not_ready import NotReady
from gateway.kube import Key
from gateway_secrets.external.spec import StoreRef

Json = dict[str, Any]


class Stuck:
    """In the place of who pushes: what is of the namespace ``slow`` never ends. ``looked``: what was begun."""

    def __init__(self) -> None:
        self.looked: asyncio.Queue[Key] = asyncio.Queue()

    async def look(self, key: Key, *_: Any) -> Look:
        self.looked.put_nowait(key)
        if key.namespace == "slow":
            await asyncio.Event().wait()
        return Look(done=True, again_in=None, state="synced")

    def forget(self, key: Key) -> None:
        pass


class Cache:
    """In the place of what is watched."""

    def __init__(self, **refs: Json) -> None:
        self.held = {Key(*name.split("__")): held(ref) for name, ref in refs.items()}

    def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def get(self, *key: str) -> HeldPush | None:
        return self.held.get(Key(*key))

    def items(self) -> Any:
        return self.held.items()


def held(ref: Json) -> HeldPush:
    return held_push({"metadata": {"name": "out", "namespace": "web"}, "spec": {"secretStoreRefs": [ref]}})


@asynccontextmanager
async def pushing(stuck: Stuck, cache: Cache) -> AsyncIterator[Pushes]:
    registry = CollectorRegistry()
    metrics = PushMetrics(registry)
    pushes = Pushes(
        cast("Any", None), cast("Any", stuck), lambda _: True, metrics=metrics, not_ready=cast("NotReady", _Nobody())
    )
    pushes.cache = cast("Any", cache)
    running = asyncio.create_task(pushes.run())
    try:
        yield pushes
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class _Nobody:
    def note(self, *_: Any, **__: Any) -> None:
        pass


async def test_a_namespace_whose_store_does_not_answer_keeps_nobody_waiting() -> None:
    """However many of its PushSecrets wait, another namespace's is looked at."""
    ref = {"name": "vault"}
    slow = {f"slow__{number}": ref for number in range(20)}
    stuck = Stuck()
    async with pushing(stuck, Cache(**slow, other__one=ref)) as pushes:
        for key, one in pushes.cache.items():
            if key.namespace == "slow":
                pushes._changed(key, None, one)
        for _ in range(100):
            await asyncio.sleep(0)  # whoever can begin, has
        begun = stuck.looked.qsize()
        other = Key("other", "one")
        pushes._changed(other, None, pushes.cache.get(*other))
        seen: list[Key] = []
        async with asyncio.timeout(60):
            while other not in seen:
                seen.append(await stuck.looked.get())
    assert (begun, len(seen)) == (2, 3)


async def test_who_is_looked_at_when_a_store_is_labelled() -> None:
    """Those that choose it by these labels, in its namespace: not one that names it, nor another's."""
    chooses = {"labelSelector": {"matchLabels": {"of": "us"}}}
    stuck = Stuck()
    cache = Cache(web__chooses=chooses, web__names={"name": "vault"}, other__chooses=chooses)
    async with pushing(stuck, cache) as pushes:
        pushes.store_labelled(StoreRef("vault"), "web", {}, {"of": "us"})
        async with asyncio.timeout(60):
            first = await stuck.looked.get()
        pushes.store_changed(StoreRef("vault"), "web", {"of": "them"}, {"of": "them"})
        async with asyncio.timeout(60):
            second = await stuck.looked.get()
    assert (first, second, stuck.looked.qsize()) == (Key("web", "chooses"), Key("web", "names"), 0)
