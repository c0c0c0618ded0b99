"""What a login gives: when it is obtained anew, by a clock of the test's own."""

from __future__ import annotations

import asyncio

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
)
from gateway_secrets.stores.renewed import Renewed


class Logins:
    """Gives the names of logins, each good for ``life`` seconds; raises ``error`` if there is one."""

    def __init__(self, life: float | None) -> None:
        self.life, self.now, self.made, self.discarded, self.error = life, 1000.0, 0, [], None
        self.told = []
        self.held = Renewed(
            self.obtain, discard=self.discarded.append, told=self.told.append, clock=lambda: self.now,
            uniform=lambda low, _: low,
        )  # fmt: skip

    async def obtain(self):
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.made += 1
        return f"login {self.made}", None if self.life is None else self.now + self.life


async def test_each_login_is_told_of_once():
    """Whoever shares it; and why one failed."""
    logins = Logins(100.0)
    await asyncio.gather(*[logins.held.get() for _ in range(20)])
    logins.now += 1_000
    logins.error = ForbiddenError("403")
    with pytest.raises(ForbiddenError):
        await logins.held.get()
    assert [type(one) for one in logins.told] == [type(None), RejectedError]


async def test_many_share_one():
    """Whoever asks while it is obtained waits for it."""
    logins = Logins(100.0)
    assert set(await asyncio.gather(*[logins.held.get() for _ in range(20)])) == {"login 1"}


@given(st.floats(1.0, 1e6), st.floats(0.0, 2.0))
def test_it_is_renewed_at_a_part_of_its_life(life, part):
    """Not before, and not later."""

    async def run():
        logins = Logins(life)
        await logins.held.get()
        logins.now += life * part
        return await logins.held.get()

    assert asyncio.run(run()) == ("login 1" if 1000.0 + life * part < 1000.0 + life * 0.6 else "login 2")


async def test_what_does_not_end_is_kept():
    """However long."""
    logins = Logins(None)
    await logins.held.get()
    logins.now += 1e9
    assert await logins.held.get() == "login 1"


@pytest.mark.parametrize("error", [UnavailableError("x"), ThrottledError("x")])
async def test_what_cannot_be_renewed_for_now_serves_to_its_end(error):
    """It is tried again after a while, not by every read."""
    logins = Logins(100.0)
    await logins.held.get()
    logins.now += 70.0
    logins.error = error
    assert await logins.held.get() == "login 1"
    logins.error = None
    assert await logins.held.get() == "login 1"
    logins.now += 5.0
    assert await logins.held.get() == "login 2"
    logins.now += 100.0
    logins.error = error
    with pytest.raises(type(error)):
        await logins.held.get()


async def test_who_is_refused_is_refused_at_once():
    """A login that is forbidden will not be allowed by waiting."""
    logins = Logins(100.0)
    await logins.held.get()
    logins.now += 70.0
    logins.error = ForbiddenError("x")
    with pytest.raises(ForbiddenError):
        await logins.held.get()


async def test_what_was_refused_is_dropped_once():
    """Who comes late with an older one does not drop the new one; each is discarded."""
    logins = Logins(100.0)
    first = await logins.held.get()
    logins.held.drop(first)
    second = await logins.held.get()
    logins.held.drop(first)
    assert await logins.held.get() is second
    logins.now += 70.0
    await logins.held.get()
    assert logins.discarded == ["login 1", "login 2"]


@pytest.mark.parametrize("error", [ForbiddenError("x"), UnavailableError("x"), ThrottledError("x")])
async def test_many_share_a_login_that_fails(error):
    """Who asked before it failed is told so; who asks after that tries anew."""
    logins = Logins(100.0)
    logins.error, tried = error, []
    obtain = logins.obtain

    async def counted():
        tried.append(1)
        return await obtain()

    logins.held = Renewed(counted, clock=lambda: logins.now)
    for tries in (1, 2):
        found = await asyncio.gather(*[logins.held.get() for _ in range(20)], return_exceptions=True)
        assert {str(one) for one in found} == {"x"}
        assert len(tried) == tries


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ForbiddenError, RejectedError),
        (RejectedError, RejectedError),
        (MisconfiguredError, UnreadyError),
        (NotFoundError, UnreadyError),
        (UnavailableError, UnavailableError),
    ],
)
async def test_what_is_wrong_with_a_login_is_told_from_what_is_wrong_with_a_secret(
    error: type[StoreError], becomes: type[StoreError]
):
    """Above all: what a login does not find is no secret that is gone."""
    logins = Logins(100.0)
    logins.error = error("x")
    with pytest.raises(StoreError) as caught:
        await logins.held.get()
    assert type(caught.value) is becomes
