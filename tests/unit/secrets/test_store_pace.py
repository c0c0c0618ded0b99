"""How often a store is asked. Time is the test's own: nothing waits, nothing depends on the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores.errors import NotFoundError, ThrottledError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.pace import Pace, TokenBucket


class Time:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 5))
def test_no_more_than_the_rate_and_the_burst(pauses, burst):
    """In any stretch of time that begins with the first request, no more are sent than burst and rate allow."""
    time, sent = Time(), []
    bucket = TokenBucket(2.0, burst, time.clock)
    for pause in pauses:
        time.now += pause
        wait = bucket.take(1_000.0)
        sent.append(time.now + wait)
    assert sent == sorted(sent)
    for number, at in enumerate(sent, 1):
        assert number <= burst + 2.0 * at + 1e-6


def test_a_turn_that_is_too_late_is_not_taken():
    """Who cannot wait takes nothing from those who can."""
    bucket = TokenBucket(1.0, 1, Time().clock)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.5) is None
    assert bucket.take(1.0) == 1.0


def paced(time: Time, **limits: float) -> Pace:
    return Pace(StoreLimits(**limits), clock=time.clock, sleep=time.sleep, uniform=lambda _low, high: high)


async def test_throttling_is_answered_with_longer_and_longer_pauses():
    """Twice as long each time, and never before the store asked for."""
    time, answers = Time(), [ThrottledError("x"), ThrottledError("x", retry_after_seconds=3), ThrottledError("x")]

    async def ask(_within: float) -> str:
        if answers:
            raise answers.pop(0)
        return "there"

    assert await paced(time, retry_seconds=0.5).call(ask) == "there"
    assert [pause for pause in time.slept if pause] == [0.5, 1.0 + 3, 2.0]


async def test_throttling_ends_at_the_deadline():
    """The last answer is the error; nothing sleeps past the deadline."""
    time = Time()

    async def ask(_within: float) -> str:
        raise ThrottledError("too much")

    with pytest.raises(ThrottledError, match="too much"):
        await paced(time, deadline_seconds=10.0).call(ask)
    assert time.now <= 10.0


async def test_silence_after_throttling_is_throttling():
    """What kept the answer away is told, not what happened last."""
    answers = [ThrottledError("too much"), TimeoutError()]

    async def ask(_within: float) -> str:
        raise answers.pop(0)

    with pytest.raises(ThrottledError, match="too much"):
        await paced(Time(), deadline_seconds=10.0).call(ask)


async def test_other_errors_are_not_tried_again():
    """What will be the same a moment later is told at once."""
    time, asked = Time(), []

    async def ask(within: float) -> str:
        asked.append(within)
        raise NotFoundError("x")

    with pytest.raises(NotFoundError):
        await paced(time, deadline_seconds=10.0).call(ask)
    assert asked == [10.0]


async def test_a_rate_that_cannot_be_kept_within_the_deadline_is_throttling():
    """Of our own: the store is not asked."""
    pace = paced(Time(), deadline_seconds=1.0, requests_per_second=0.1, burst_requests=1)

    async def ask(_within: float) -> str:
        return "there"

    assert await pace.call(ask) == "there"
    with pytest.raises(ThrottledError, match="its rate allows"):
        await pace.call(ask)
