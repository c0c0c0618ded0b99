"""When a server that fails is asked, and when it is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.remote.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_failures_in_a_row_open_it() -> None:
    """A success in between begins the count anew; the last failure is what is told."""
    breaker = Breaker(2, 5.0, Clock())
    breaker.failed("first")
    breaker.succeeded()
    breaker.failed("second")
    assert breaker.admit()
    assert breaker.problem == ""
    breaker.failed("third")
    assert not breaker.admit()
    assert breaker.problem == "third"


def test_one_request_sees_whether_the_server_is_well() -> None:
    """After its time one is let through, and no other until that one has ended; it decides what is next."""
    clock = Clock()
    breaker = Breaker(1, 5.0, clock)
    breaker.failed("down")
    clock.now = 4.9
    assert not breaker.admit()
    clock.now = 5.0
    assert [breaker.admit() for _ in range(3)] == [True, False, False]
    breaker.failed("still down")
    assert not breaker.admit()
    clock.now = 10.0
    assert breaker.admit()
    breaker.succeeded()
    assert [breaker.admit() for _ in range(3)] == [True, True, True]
    assert breaker.problem == ""


@given(st.lists(st.sampled_from(["ask", "well", "ill", "wait"]), max_size=60), st.integers(1, 4))
def test_it_never_locks_anybody_out_for_good(events: list[str], limit: int) -> None:
    """Whatever happens, once every request has ended and the time is over, the server is asked again."""
    clock = Clock()
    breaker = Breaker(limit, 5.0, clock)
    running = 0
    for event in events:
        if event == "ask" and breaker.admit():
            running += 1
        elif event == "wait":
            clock.now += 2.0
        elif running and event in ("well", "ill"):
            running -= 1
            breaker.succeeded() if event == "well" else breaker.failed("ill")
    for _ in range(running):
        breaker.failed("ill")
    clock.now += 5.0
    assert breaker.admit()
