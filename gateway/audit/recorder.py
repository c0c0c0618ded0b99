"""What the server needs of a decision log, and the one that keeps nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from gateway.core.subject import Subject
from gateway.core.verdict import Verdict


class RecorderStats(msgspec.Struct, frozen=True):
    """State of one worker's recorder, for metrics and readiness."""

    connected: bool = True
    recorded: int = 0
    """Decisions that are on disk, since start."""
    lost: int = 0
    """Decisions answered and not recorded (``onFull: count``), since start."""
    queued_records: int = 0
    queued_bytes: int = 0
    lag_seconds: float = 0.0
    """Age of the oldest decision that is not on disk yet."""
    full: str = ""
    """Why the log takes nothing at the moment; empty if it does."""


class Recorder(Protocol):
    """Where decisions are recorded."""

    async def start(self) -> None:
        """Get ready to record."""
        ...

    async def record(self, subject: Subject, verdict: Verdict, *, rules: str, timings: dict[str, int]) -> None:
        """Record one decision; when this returns, the answer may leave. ``timings`` are microseconds.

        Raises:
            AuditFullError: the log has no room, and is set to refuse.
        """
        ...

    async def event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Record something about the gateway itself, such as ``config``: strings, integers, booleans, lists, maps."""
        ...

    def stats(self) -> RecorderStats:
        """How it stands at this moment."""
        ...

    async def close(self) -> None:
        """Write what is queued and stop."""
        ...


class NullRecorder:
    """Keeps nothing, and says so once: for runs without a log."""

    async def start(self) -> None:
        logging.getLogger("gateway.audit").warning("decisions are NOT recorded: this run has no audit log")

    async def record(self, subject: Subject, verdict: Verdict, *, rules: str, timings: dict[str, int]) -> None:
        pass

    async def event(self, kind: str, detail: Mapping[str, Any]) -> None:
        pass

    def stats(self) -> RecorderStats:
        return RecorderStats()

    async def close(self) -> None:
        pass
