"""Windows of time: open from each time of a schedule, for a length, in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.schedule import MAX_CHARS, ScheduleError, check, is_open, zone

HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "open_"),
    [
        ("2026-03-04T11:59:59", False),
        ("2026-03-04T12:00:00", True),
        ("2026-03-04T12:59:59", True),
        ("2026-03-04T13:00:00", False),
        ("2026-03-05T12:30:00", True),
    ],
)
def test_a_window_is_open_from_its_time_until_its_length_is_over(now: str, open_: bool) -> None:
    """Its first moment belongs to it, its last does not."""
    assert is_open("0 12 * * *", HOUR, UTC, at(now)) is open_


@pytest.mark.parametrize(
    ("now", "open_"),
    [
        ("2026-01-15T01:30:00", True),  # 02:30 in winter
        ("2026-07-15T00:30:00", True),  # 02:30 in summer
        ("2026-07-15T01:30:00", False),
        ("2026-03-29T01:30:00", True),  # 02:00 does not exist that night: the clock shows 03:30
        ("2026-10-25T00:30:00", True),  # 02:30 for the first time
    ],
)
def test_a_schedule_is_written_in_a_time_zone(now: str, open_: bool) -> None:
    """Two o'clock is two o'clock, in summer and in winter, and where the clocks change."""
    assert is_open("0 2 * * *", HOUR, zone("Europe/Berlin"), at(now)) is open_


def test_zones_are_told_apart_at_the_same_moment() -> None:
    """What was answered for one zone is not the answer for another."""
    now = at("2026-03-04T12:30:00")
    assert is_open("0 21 * * *", HOUR, zone("Asia/Tokyo"), now) is True
    assert is_open("0 21 * * *", HOUR, UTC, now) is False
    assert is_open("0 13 * * *", HOUR, zone("Europe/Berlin"), now) is True


def test_a_window_lasts_its_length_where_the_clocks_change() -> None:
    """Three hours from half past midnight, of which one is repeated."""
    asked = [("2026-10-24T22:30:00", True), ("2026-10-25T01:29:00", True), ("2026-10-25T01:30:00", False)]
    for now, open_ in asked:
        assert is_open("30 0 * * *", timedelta(hours=3), zone("Europe/Berlin"), at(now)) is open_


def test_overlapping_openings_are_one() -> None:
    """A window that opens again before it has closed stays open."""
    for minute in range(0, 600, 7):
        assert is_open("0 * * * *", timedelta(minutes=90), UTC, at("2026-03-04T00:00:00") + timedelta(minutes=minute))


@pytest.mark.parametrize(
    "schedule",
    ["", "*", "* * * *", "* * * * * *", "@daily", "61 * * * *", "0 0 30 2 *", "TZ=UTC 0 0 * * *", "a b c d e", "0 0 * * 9",
     "*/0 * * * *", "0 0 5-1 * *", "0 0 * * ²", "* " * MAX_CHARS],
)  # fmt: skip
def test_a_schedule_that_cannot_be_read_is_refused(schedule: str) -> None:
    """Also one that never comes; with one line that says so."""
    with pytest.raises(ScheduleError, match=r"schedule '.*five fields|schedule '.*: bad|never comes"):
        check(schedule)
    with pytest.raises(ScheduleError):
        is_open(schedule, HOUR, UTC, at("2026-03-04T12:00:00"))


@pytest.mark.parametrize("name", ["Mars/Olympus", "/etc/passwd", "../UTC", "a\x00b", "Europe"])
def test_a_time_zone_that_there_is_not(name: str) -> None:
    """Whatever a file system would say to the name."""
    with pytest.raises(ScheduleError, match="there is no time zone"):
        zone(name)


def test_no_time_zone_is_utc() -> None:
    """As everywhere in Kubernetes."""
    assert zone("") is UTC


def test_a_window_without_end_is_refused() -> None:
    """Longer than there has been time."""
    with pytest.raises(ScheduleError, match="too long"):
        is_open("0 0 * * *", timedelta(days=900_000), UTC, at("2026-03-04T12:00:00"))


@given(
    st.integers(0, 59), st.sampled_from(["*", "*/7", "3", "22,23"]), st.sampled_from(["*", "1-5", "0"]),
    st.integers(1, 3000), st.integers(0, 20_000),
)  # fmt: skip
def test_open_means_that_some_opening_holds_the_present(
    minute: int, hour: str, day: str, length: int, now: int
) -> None:
    """The same as looking at every opening before."""
    schedule, start = f"{minute} {hour} * * {day}", at("2026-03-01T00:00:00")
    present, long = start + timedelta(minutes=now), timedelta(minutes=length)
    openings = CronSim(schedule, present - long - timedelta(days=8))
    held = False
    for opening in openings:
        if opening > present:
            break
        held = held or opening <= present < opening + long
    assert is_open(schedule, long, UTC, present) is held


@given(st.text(max_size=30), st.text("0123456789*/,-LW#? ", max_size=20))
def test_any_text_is_read_or_refused(words: str, crontab: str) -> None:
    """No text that a tenant writes makes it fail in another way."""
    for text in (words, crontab, f"0 0 {crontab} * *", f"0 0 * * {crontab}"):
        try:
            is_open(text, HOUR, UTC, at("2026-03-04T12:00:00"))
        except ScheduleError as error:
            assert "\n" not in str(error)  # noqa: PT017 - it may also be read
