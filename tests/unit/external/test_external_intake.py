"""How many changes are taken, and that telling of many holds nobody up."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from gateway.controllers.external.claims import Claims
from gateway.controllers.external.known import Known
from gateway.controllers.external.names import Change
from gateway.controllers.external.run import Run
from gateway.controllers.external.shards import Shard
from gateway.controllers.external.shared import Path
from gateway.controllers.external.uses import Reads
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.queue import WorkQueue
from gateway.kube import Key
from gateway_secrets.stores.pace import TokenBucket


def test_changes_are_counted_and_not_requests() -> None:
    """So many at once as one notice may hold, then by the second."""
    now = [0.0]
    bucket = TokenBucket(200.0, 1_000, lambda: now[0])
    assert bucket.take(0.0, 1_000) == 0.0
    assert bucket.take(0.0) is None
    assert bucket.take(10.0, 400) == 2.0
    now[0] = 4.0
    assert bucket.take(0.0, 401) is None
    assert bucket.take(0.0, 400) == 0.0


def path(key: str) -> Path:
    return ("SecretStore", "web", "vault", "uid", "1", "", "key", key, "", "None")


async def test_others_have_their_turns_while_many_changes_are_told_of() -> None:
    """All who read what changed wait for a look then, once, and what they have is not good enough; others do not."""
    run = Run(Known(Claims()), WorkQueue(8), ExternalMetrics(CollectorRegistry()), Shard(), "")
    for number in range(1_000):
        run.uses.note(Key("web", f"e{number}"), Reads({path(f"k{number % 500}"): ""}))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    busy = asyncio.ensure_future(others())
    await run.told([Change(f"k{number}") for number in (*range(400), *range(400), 5_000)])
    busy.cancel()
    assert turns >= 5
    assert len(run.queue) == 800
    assert run.uses.outdated_at(path("k0")) > 0 > run.uses.outdated_at(path("k450"))
