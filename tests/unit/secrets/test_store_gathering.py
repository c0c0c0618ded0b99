"""Single reads that are wanted at the same moment: in as few requests as the store allows, each with its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
    UnusableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload, Reference
from gateway_secrets.stores.reader import Reader

NEVER = 3_600.0
"""What is gathered is read when it is as much as goes together, and not by the clock."""


class Batches:
    """A store that can be asked for several keys at once, and notes what it is asked for."""

    provider = "test"

    def __init__(self, size: int = 5) -> None:
        self.batch_size = size
        self.batches: list[list[str]] = []
        self.singles: list[str] = []
        self.error: Exception | None = None

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        self.singles.append(key)
        return self._result(key)

    async def read_many(self, keys: Sequence[str], *, within: float) -> Mapping[str, Payload | StoreError]:
        self.batches.append(list(keys))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        found: dict[str, Payload | StoreError] = {}
        for key in keys:
            try:
                found[key] = self._result(key)
            except StoreError as error:
                found[key] = error
        return found

    def _result(self, key: str) -> Payload:
        if key.startswith("none"):
            raise NotFoundError(f"{key}: not there")
        return Payload(key.encode())

    async def describe(self, key: str, *, within: float) -> Metadata:
        raise NotImplementedError

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        raise NotImplementedError

    async def close(self) -> None:
        pass


def reader(store: Batches, seconds: float = NEVER) -> Reader:
    return Reader(store, StoreLimits(gather_seconds=seconds, requests_per_second=0.001, burst_requests=4))


async def test_each_batch_is_one_request_and_each_read_has_its_own_result() -> None:
    """Also of the rate, which lets no more than four through here."""
    store = Batches()
    reads = reader(store)
    keys = [f"none-{number}" if number == 7 else str(number) for number in range(20)]
    found = await asyncio.gather(*[reads.gathered(Reference(key)) for key in keys], return_exceptions=True)
    assert [type(one) for one in found] == [NotFoundError if key == "none-7" else Payload for key in keys]
    assert [one.whole for one in found if isinstance(one, Payload)] == [key.encode() for key in keys if key != "none-7"]
    assert [len(batch) for batch in store.batches] == [5] * 4
    assert store.singles == []


@given(keys=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12))
def test_what_is_gathered_is_read_after_a_moment(keys: list[str]) -> None:
    """However few they are, and however often one is asked for; nobody waits for more to come."""

    async def scene() -> None:
        store = Batches(size=100)
        reads = Reader(store, StoreLimits(gather_seconds=0.0))
        found = await asyncio.gather(*[reads.gathered(Reference(key)) for key in keys])
        assert [one.whole for one in found] == [key.encode() for key in keys]
        asked = [*store.singles, *(key for batch in store.batches for key in batch)]
        assert sorted(asked) == sorted(set(keys))

    asyncio.run(scene())


async def test_what_no_batch_can_bring_is_read_by_itself() -> None:
    """A version, metadata, or where the store has found that it cannot."""
    store = Batches()
    reads = reader(store)
    assert (await reads.gathered(Reference("a", version="1"))).whole == b"a"
    store.batch_size = 1
    assert (await reads.gathered(Reference("b"))).whole == b"b"
    assert (store.singles, store.batches) == (["a", "b"], [])


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("away"),
        ThrottledError("too much", retry_after_seconds=1e9),
        RejectedError("who are you"),
        UnreadyError("no keys"),
    ],
)
async def test_a_batch_that_fails_fails_for_all_who_wait(error: StoreError) -> None:
    """With the error of the store; what concerns all of it is not asked again for each."""
    store = Batches(size=3)
    store.error = error
    reads = reader(store)
    found = await asyncio.gather(*[reads.gathered(Reference(key)) for key in "abc"], return_exceptions=True)
    assert {type(one) for one in found} == {type(error)}
    assert store.singles == []


@pytest.mark.parametrize("kind", [ForbiddenError, MisconfiguredError, UnusableError, NotFoundError])
async def test_a_batch_that_is_refused_is_read_one_by_one(kind: type[StoreError]) -> None:
    """One that is refused, cannot be a name, or is too large must not keep the others: it fails alone."""
    store = Batches(size=3)
    store.error = kind("one of them")
    reads = reader(store)
    keys = ["a", "none-b", "c"]
    found = await asyncio.gather(*[reads.gathered(Reference(key)) for key in keys], return_exceptions=True)
    assert [one.whole if isinstance(one, Payload) else type(one) for one in found] == [b"a", NotFoundError, b"c"]
    assert sorted(store.singles) == sorted(keys)


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    """Nor is anything read for who has left."""
    store = Batches(size=3)
    reads = reader(store)
    left = asyncio.create_task(reads.gathered(Reference("left")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    found = await asyncio.gather(*[reads.gathered(Reference(key)) for key in "bc"])
    assert [one.whole for one in found] == [b"b", b"c"]
    assert store.batches == [["b", "c"]]


async def test_who_waits_when_it_is_closed_is_told() -> None:
    """And who asks after that."""
    reads = reader(Batches())
    waiting = asyncio.create_task(reads.gathered(Reference("a")))
    await asyncio.sleep(0)
    await reads.close()
    for asked in (waiting, reads.gathered(Reference("b"))):
        with pytest.raises(UnavailableError, match="closed"):
            await asked
