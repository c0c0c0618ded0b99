"""When it is: the windows of the configuration, and those in which an owner may not sync. Pure; the present is given.

Argo CD's rules for the latter: a window that denies goes before one that allows; where there are windows that allow,
syncs are denied outside of all of them. Its times are wall clock times at the time zone's present offset.
Source: argo-cd ``pkg/apis/application/v1alpha1/types.go`` (``SyncWindows.CanSync``, ``SyncWindow.active``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase

from gateway.config.drift import Actors, Window
from gateway.core.schedule import ScheduleError, is_open, zone
from gateway.core.subject import Subject
from webhooks.drift.exempt import acts
from webhooks.drift.facts import SyncWindow


class Calendar:
    """The windows of the configuration; which are open is reckoned once a minute."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._minute: datetime | None = None
        self._open: tuple[Window, ...] = ()

    def window(self, section: str, subject: Subject, now: datetime) -> Window | None:
        """The first window that is open for this reconciler, namespace and user."""
        if not self._windows:
            return None
        return next((window for window in self._at(now) if _concerns(window, section, subject)), None)

    def _at(self, now: datetime) -> tuple[Window, ...]:
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._open = tuple(window for window in self._windows if _is_open(window, minute))
            self._minute = minute
        return self._open


def _is_open(window: Window, now: datetime) -> bool:
    return is_open(window.schedule, timedelta(minutes=window.duration_minutes), zone(window.time_zone), now)


def _concerns(window: Window, section: str, subject: Subject) -> bool:
    if window.reconcilers and section not in window.reconcilers:
        return False
    if window.actors != Actors() and not acts(window.actors, subject.user):
        return False
    return any(fnmatchcase(subject.governing_namespace, pattern) for pattern in window.namespaces)


def denies(windows: Sequence[SyncWindow], now: datetime, *, unless_manual: bool) -> bool:
    """Whether an owner with these windows may not sync at present.

    Args:
        windows: those that concern the owner.
        now: the present.
        unless_manual: where a person may sync all the same, it may.

    Raises:
        ScheduleError: one of them cannot be read.
    """
    is_now = [_is_active(window, now) for window in windows]
    denying = [window for window, active in zip(windows, is_now, strict=True) if active and window.denies]
    if not denying:
        if any(active and not window.denies for window, active in zip(windows, is_now, strict=True)):
            return False
        denying = [window for window in windows if not window.denies]
    return bool(denying) and not (unless_manual and all(window.manual for window in denying))


def _is_active(window: SyncWindow, now: datetime) -> bool:
    if window.length is None:
        raise ScheduleError("a sync window cannot be read")
    offset = now.astimezone(zone(window.time_zone)).utcoffset() or timedelta()
    return is_open(window.schedule, window.length, timezone(offset), now)
