"""In which order objects are looked at, when they are read again, and how reads are shared."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.controllers.external.breaker import Breaker
from gateway.controllers.external.shared import Shared
from gateway.controllers.external.stores import Bounds, Stores
from gateway.controllers.external.windows import due, earliest, good_since, window_end, window_start
from gateway.kube import Key
from gateway_secrets.external.store import Store, store_of
from gateway_secrets.stores.errors import NotFoundError, UnavailableError
from gateway_secrets.stores.model import Payload

A, B = Key("a", "x"), Key("b", "x")


@given(st.text(max_size=8), st.floats(1, 1e6), st.floats(1e9, 2e9))
def test_windows(path: str, interval: float, at: float) -> None:
    """Each moment is in one, which is as long as the interval."""
    end = window_end((path,), interval, at)
    assert at < end <= at + interval * 1.0001
    assert window_start((path,), interval, at) == end - interval
    assert due([(path,)], interval, at) == end
    assert good_since((path,), interval, at) == window_start((path,), interval, at)
    assert window_end((path,), interval, end) > end
    assert due([(path,)], 0, at) is due([], interval, at) is None
    assert good_since((path,), 0, at) == -math.inf


def test_paths_are_spread_and_their_objects_are_not() -> None:
    """Thousands of paths do not come due in one moment; all that read one path do."""
    ends = sorted(window_end((str(number),), 3600, 1e9) - 1e9 for number in range(2_000))
    assert max(later - earlier for earlier, later in itertools.pairwise(ends)) < 60
    assert due([("p",), ("q",)], 3600, 1e9) == window_end(("p",), 3600, 1e9)
    assert window_end(("p",), 3600, 1e9) == window_end(("p",), 3600, window_end(("p",), 3600, 1e9) - 1)


class Source:
    """Counts how often it is read; waits if it is told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self) -> Payload:
        self.reads += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Payload(f"value {self.reads}".encode(), version=str(self.reads))


def shared(now: list[float], most: int = 10_000, tenant: int = 10_000) -> Shared:
    return Shared(most, tenant, clock=lambda: now[0])


async def test_one_read_for_all_who_ask_at_once() -> None:
    """However many; whoever leaves does not take it from the others."""
    now, source = [100.0], Source()
    kept = shared(now)
    source.gate.clear()
    asking = [asyncio.ensure_future(kept.get(("p",), "a", 50.0, source)) for _ in range(20)]
    await asyncio.sleep(0)
    asking[0].cancel()
    source.gate.set()
    found = await asyncio.gather(*asking[1:])
    assert source.reads == 1
    assert {one.payload.version for one in found} == {"1"}


async def test_what_is_older_than_asked_for_is_read_anew() -> None:
    """And so is what a clock that was set back has timed."""
    now, source = [100.0], Source()
    kept = shared(now)
    assert (await kept.get(("p",), "a", 0.0, source)).shared is False
    now[0] = 200.0
    assert (await kept.get(("p",), "b", 100.0, source)).shared is True
    assert (await kept.get(("p",), "b", 100.1, source)).payload.version == "2"
    now[0] = 150.0
    assert (await kept.get(("p",), "b", 0.0, source)).payload.version == "3"
    assert source.reads == 3


async def test_an_error_is_shared_too() -> None:
    """A thousand objects that use a path which is not there ask once; the next try asks again."""
    now, source = [100.0], Source()
    kept = shared(now)
    source.error = NotFoundError("not there")
    for _ in range(3):
        with pytest.raises(NotFoundError, match="not there"):
            await kept.get(("p",), "a", 50.0, source)
    assert source.reads == 1
    now[0], source.error = 101.0, None
    assert (await kept.get(("p",), "a", 100.5, source)).payload.version == "2"


async def test_a_namespace_keeps_no_more_than_its_part() -> None:
    """What it reads beyond that pushes out its own, not others'."""
    now, source = [100.0], Source()
    kept = shared(now, most=100_000, tenant=2_000)
    await kept.get(("other",), "b", 0.0, source)
    for number in range(20):
        await kept.get((str(number),), "a", 0.0, source)
    before = source.reads
    await kept.get(("other",), "b", 0.0, source)
    await kept.get(("19",), "a", 0.0, source)
    assert source.reads == before
    await kept.get(("0",), "a", 0.0, source)
    assert source.reads == before + 1
    assert kept.bytes <= 4_000


async def test_nothing_is_kept_without_room() -> None:
    """But what is asked for at once is still read once."""
    now, source = [100.0], Source()
    kept = shared(now, most=0)
    await kept.get(("p",), "a", 0.0, source)
    await kept.get(("p",), "a", 0.0, source)
    assert (source.reads, kept.bytes) == (2, 0)


async def test_nothing_that_is_kept_is_shown() -> None:
    """In no representation."""
    kept = shared([100.0])
    found: Any = await kept.get(("p",), "a", 0.0, Source())
    assert "value" not in repr(found) + repr(kept.__dict__)


def test_a_store_that_does_not_answer_is_asked_by_one() -> None:
    """Ever later; who comes meanwhile is told why, and its first answer ends that."""
    breaker = Breaker()
    assert breaker.refusal(0.0) == ""
    breaker.failed(UnavailableError("sealed"), 0.0)
    assert breaker.refusal(0.1) == "sealed"
    assert breaker.refusal(1.1) == ""
    assert breaker.refusal(1.2)
    breaker.failed(UnavailableError("sealed"), 1.2)
    assert breaker.refusal(1.9)
    assert breaker.refusal(1_000.0) == ""
    assert breaker.answered()
    assert not breaker.answered()
    assert breaker.refusal(1_000.0) == breaker.refusal(1_000.0) == ""


def test_one_outage_is_told_of_in_the_same_words() -> None:
    """However often it is tried, and however they change from try to try; what stays another trouble is told of."""
    breaker, now, told = Breaker(), 0.0, []
    for text in ("sealed", "no answer", "sealed", "no answer", "no answer", "sealed"):
        breaker.failed(UnavailableError(text), now)
        told.append(breaker.refusal(now))
        now += 100.0
    assert told == ["sealed"] * 4 + ["no answer"] * 2


class Deaf:
    """A reader that is never answered."""

    async def payload(self, key: str) -> Payload:
        raise UnavailableError(f"{key}: sealed")

    async def close(self) -> None:
        pass


async def test_a_key_that_one_asks_for_is_not_told_to_others() -> None:
    """Whose store does not answer: all have the same words for it, which name the store."""

    async def opener(store: Store, namespace: str) -> Any:
        return Deaf()

    told: list[str] = []
    stores = Stores(cast("Any", None), Bounds(1e6), opener=opener, failed=lambda _, error: told.append(str(error)))
    store = store_of({
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "vault", "namespace": "web", "uid": "s", "generation": 1},
        "spec": {"provider": {"vault": {}}},
    })  # fmt: skip
    for key in ("team-a/db", "team-b/db"):
        with pytest.raises(UnavailableError) as refused:
            await stores.ask(store, "web", lambda reader, key=key: cast("Any", reader).payload(key), about=key)
        assert str(refused.value) == "SecretStore vault: sealed"
    assert told == ["SecretStore vault: sealed"]


def test_who_asks_and_leaves_holds_nobody_up() -> None:
    """The next one is let through."""
    breaker = Breaker()
    breaker.failed(UnavailableError("sealed"), 0.0)
    assert breaker.refusal(10.0) == ""
    breaker.abandoned()
    assert breaker.refusal(10.0) == ""


def test_what_failed_is_not_believed_again_within_its_window() -> None:
    """Who tries again reads what was read since, window or not; else what the window holds is good enough."""
    window = window_start(("p",), 3600.0, 1e9)
    assert earliest(lambda _: -math.inf, 3600.0, 1e9)(("p",)) == window
    assert earliest(lambda _: 1e9 - 0.5, 3600.0, 1e9)(("p",)) == max(window, 1e9 - 0.5)
    assert earliest(lambda _: 5.0, 0.0, 1e9)(("p",)) == 5.0
