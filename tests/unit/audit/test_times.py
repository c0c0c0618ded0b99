"""Times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.audit.times import point_in_time
from gateway.core.errors import UsageError

NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", "2026-03-09T12:00:00.000000Z"),
        ("7d", "2026-03-03T12:00:00.000000Z"),
        ("90s", "2026-03-10T11:58:30.000000Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000000Z"),
        ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
    ],
)
def test_times_become_utc(text: str, expected: str) -> None:
    """Relative and absolute times come out as records write theirs."""
    assert point_in_time(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "5x", "-3d", "999999999w", "2026-13-01"])
def test_other_texts_are_usage_errors(text: str) -> None:
    """What is no time is said to be none."""
    with pytest.raises(UsageError, match="not a time"):
        point_in_time(text, now=NOW)
