"""Go durations and what is made of a request's time-out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.durations import parse_duration
from gateway.server.deadline import MAX_SECONDS, parse_target, plan

VALID = {
    "10s": 10.0, "1m30s": 90.0, "500ms": 0.5, "1.5h": 5400.0, ".5s": 0.5, "2.s": 2.0, "100us": 1e-4, "1µs": 1e-6,
    "1μs": 1e-6, "7ns": 7e-9, "+3s": 3.0, "-3s": -3.0, "0": 0.0, "-0": 0.0, "1h1m1s": 3661.0,
}  # fmt: skip
INVALID = ("", "10", "s", "10 s", "1d", "ten", "10s5", "+", "-", ".s", "1..5s", "1e3s", "٣s", "10S", "10s,", "+-1s")


@pytest.mark.parametrize(("text", "seconds"), VALID.items(), ids=VALID)
def test_what_go_takes(text: str, seconds: float) -> None:
    """Durations that time.ParseDuration takes have the same length here."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", INVALID)
def test_what_go_refuses(text: str) -> None:
    """What time.ParseDuration refuses is refused here."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_parts_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    """A duration in several units is the sum of its parts."""
    total = hours * 3600 + minutes * 60 + seconds + millis / 1000
    assert parse_duration(f"{hours}h{minutes}m{seconds}s{millis}ms") == pytest.approx(total)


@given(st.text(max_size=40))
def test_any_target_is_understood(text: str) -> None:
    """No query makes the target's parser fail, and a time-out is positive and bounded."""
    target = parse_target("/v1/validate?timeout=" + text)
    assert target.path == "/v1/validate"
    assert target.timeout_seconds is None or 0 < target.timeout_seconds <= MAX_SECONDS


@pytest.mark.parametrize(
    ("raw", "seconds", "nonsense"),
    [
        ("/v1/validate", None, False),
        ("/v1/validate?timeout=10s", 10.0, False),
        ("/v1/validate?a=b&timeout=2s&timeout=9s", 2.0, False),
        ("/v1/validate?timeout=1000h", MAX_SECONDS, False),
        ("/v1/validate?timeout=", None, True),
        ("/v1/validate?timeout=0s", None, True),
        ("/v1/validate?timeout=-1s", None, True),
        ("/v1/validate?" + "&".join("a" * 40), None, True),
    ],
)
def test_targets(raw: str, seconds: float | None, nonsense: bool) -> None:
    """The first timeout counts, bounded above; what is no positive duration is nonsense, which is the default."""
    target = parse_target(raw)
    assert (target.path, target.timeout_seconds, target.nonsense) == ("/v1/validate", seconds, nonsense)


@given(st.floats(0.001, MAX_SECONDS), st.floats(0, 5))
def test_there_is_always_time_to_record(timeout: float, margin: float) -> None:
    """Guards have at least half of the time, and the record ends after them and not after the deadline."""
    budget = plan(timeout, margin)
    assert timeout / 2 <= budget.judge <= budget.record <= timeout
    assert not margin or budget.judge < budget.record < timeout or margin < 1e-9
