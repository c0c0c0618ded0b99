"""Windows of time: openings at the times of a cron expression, each as long as the next. Pure: the present is given.

Five fields, as Debian's cron reads them, ``L`` and ``#`` in the days besides. The only module that knows the library.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from gateway.core.errors import GovgateError

MAX_CHARS = 200
_FIELDS = 5
_ANY_TIME = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall clock's


class ScheduleError(GovgateError):
    """A schedule or a time zone that cannot be read."""


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """The time zone of this name in the IANA database; UTC for an empty name.

    Raises:
        ScheduleError: there is none.
    """
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        raise ScheduleError(f"there is no time zone {name[:MAX_CHARS]!r}") from None


def check(schedule: str) -> None:
    """Whether the schedule can be read, and ever comes.

    Raises:
        ScheduleError: it cannot, or it never does.
    """
    _next(schedule, _ANY_TIME, 0, UTC)


def is_open(schedule: str, length: timedelta, where: tzinfo, now: datetime) -> bool:
    """Whether ``now`` lies in an opening: from a time of the schedule in the time zone, until ``length`` later.

    Args:
        schedule: a cron expression.
        length: how long each opening lasts.
        where: the time zone that the expression is written for.
        now: the present, with a time zone.

    Raises:
        ScheduleError: the schedule cannot be read.
    """
    try:
        latest = (now - length).astimezone(where)
    except OverflowError:
        raise ScheduleError("the window is too long") from None
    # Times of a schedule are whole minutes: to the minute, the same question is answered once.
    return _next(schedule, latest.replace(second=0, microsecond=0, tzinfo=None), latest.fold, where) <= now


@lru_cache(maxsize=1024)
def _next(schedule: str, wall: datetime, fold: int, where: tzinfo) -> datetime:
    """The first time of the schedule that is later than a time on the wall clock of the zone, in UTC.

    The two are given apart: times of different zones are equal, and one key of a cache, where they are the same moment.
    """
    problem = f"cannot read the schedule {schedule[:MAX_CHARS]!r}"
    if len(schedule) > MAX_CHARS or len(schedule.split()) != _FIELDS:
        raise ScheduleError(f"{problem}: five fields are wanted")
    try:
        return next(CronSim(schedule, wall.replace(tzinfo=where, fold=fold))).astimezone(UTC)
    except CronSimError as error:
        raise ScheduleError(f"{problem}: {str(error).lower()}") from None
    except (StopIteration, OverflowError):
        raise ScheduleError(f"the schedule {schedule!r} never comes") from None
