"""Points in time as a person writes them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gateway.core.errors import UsageError

_RELATIVE = re.compile(r"([0-9]{1,9})([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def point_in_time(text: str, *, now: datetime | None = None) -> str:
    """``24h``, ``7d`` (before ``now``) or RFC 3339, as records write it: UTC with microseconds.

    Raises:
        UsageError: neither of the two.
    """
    relative = _RELATIVE.match(text.strip())
    try:
        if relative:
            past = timedelta(**{_UNITS[relative[2]]: int(relative[1])})
            moment = (now or datetime.now(UTC)) - past
        else:
            moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise UsageError(f"not a time: {text!r} (write 2026-01-31T12:00:00Z, 2026-01-31, 24h or 7d)") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
