"""Whether somebody else writes the same Secrets: another controller that was not told to let go. Pure.

Govgate marks what it writes, and whoever changes a field leaves the mark where it is. Who writes the whole object from a
SealedSecret, as another controller does, drops it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.kube import Key
from gateway_secrets.sealed.objects import KIND
from gateway_secrets.sealed.reconcile import MARK

WINDOW_SECONDS = 3600.0
MAX_HEAL_SECONDS = 300.0
MAX_OBJECTS = 1_000
NAMED = 3
MANAGER = "govgate"

Json = dict[str, Any]


class Contest(msgspec.Struct):
    """``times``: how often it was seen in the window. ``at``: when last, in monotonic seconds. ``writer``: its field manager, if known."""

    times: int
    at: float
    writer: str

    @property
    def by(self) -> str:
        """The writer, for a sentence; empty where the API server noted none: it notes who changes a value."""
        return f" (last changed by {self.writer})" if self.writer else ""


class Contests:
    """Those of the last hour. ``what``: how they are told of."""

    def __init__(self, what: str = "somebody else writes Secrets of claimed SealedSecrets") -> None:
        self._what = what
        self._of: dict[Key, Contest] = {}

    def note(self, key: Key, writer: str, now: float) -> Contest:
        """Somebody wrote it."""
        self._forget(now)
        if len(self._of) >= MAX_OBJECTS and key not in self._of:
            self._of.pop(next(iter(self._of)))
        before = self._of.pop(key, None)
        self._of[key] = found = Contest(before.times + 1 if before else 1, now, writer)
        return found

    def wait(self, key: Key, now: float) -> float:
        """Seconds until it is written again: two who never agree must not go on as fast as they can."""
        contest = self._of.get(key)
        if contest is None or contest.times <= 1:
            return 0.0
        return max(0.0, contest.at + min(2.0**contest.times, MAX_HEAL_SECONDS) - now)

    def problem(self, now: float) -> str:
        """What to tell people; empty if there is none."""
        self._forget(now)
        if not self._of:
            return ""
        names = ["/".join(key) + contest.by for key, contest in list(self._of.items())[:NAMED]]
        more = f" and {len(self._of) - NAMED} more" if len(self._of) > NAMED else ""
        return f"{self._what}: {', '.join(names)}{more}"

    def __len__(self) -> int:
        return len(self._of)

    def _forget(self, now: float) -> None:
        for key in [key for key, contest in self._of.items() if contest.at + WINDOW_SECONDS < now]:
            del self._of[key]


def overwritten(before: Json | None, after: Json | None) -> bool:
    """Whether a Secret that bore the mark was written as a whole from a SealedSecret, by somebody who sets no mark."""
    if before is None or after is None:
        return False
    metadata = after.get("metadata") or {}
    owned = any(owner.get("kind") == KIND for owner in metadata.get("ownerReferences") or [])
    return owned and MARK in _annotations(before) and MARK not in _annotations(after)


def writer_of(managed: Any) -> str:
    """Who of others than govgate changed a value last, by an object's ``managedFields``; empty if that is not known."""
    entries = [one for one in managed or () if isinstance(one, dict) and one.get("manager") != MANAGER]
    last = max(entries, key=lambda one: str(one.get("time", "")), default={})
    return str(last.get("manager") or "")[:128]


def _annotations(secret: Json) -> Json:
    found: Json = (secret.get("metadata") or {}).get("annotations") or {}
    return found
