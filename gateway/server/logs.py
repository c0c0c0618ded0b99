"""Logs: JSON lines on stderr, written by the supervisor alone; workers hand theirs over (``control.Log``).

Never a body, never a value of an object: exceptions are logged by type and place, for their text may quote one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

Fields = dict[str, str | int | float | bool]
Emit = Callable[[str, str, Fields], None]
"""Level (``info``, ``warning``, ``error``), event and fields."""


def stderr_emit() -> Emit:
    """Write to standard error, a line at once; a log that cannot be written stops nothing."""
    encode = msgspec.json.Encoder().encode

    def emit(level: str, event: str, fields: Fields) -> None:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = encode({**fields, "event": event, "level": level, "timestamp": now}) + b"\n"
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), line)

    return emit


def place(error: BaseException) -> Fields:
    """Type and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:]]
    return {"error": type(error).__name__, "at": " < ".join(reversed(where))}


class Bridge(logging.Handler):
    """Brings what is logged by the standard library into the same log, from ``level`` on."""

    def __init__(self, emit: Emit, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record; an exception by type and place only."""
        fields: Fields = {"logger": record.name, **{k: str(v) for k, v in getattr(record, "fields", {}).items()}}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= place(record.exc_info[1])
        level = "error" if record.levelno >= logging.ERROR else "warning"
        level = level if record.levelno >= logging.WARNING else "info"
        # The template, not the text: arguments may hold what was sent.
        self._emit(level, str(record.msg)[:200], fields)


def bridge(emit: Emit, *, informed: tuple[str, ...] = ()) -> None:
    """Route the standard library's root logger to ``emit``: warnings and worse, of the loggers ``informed`` more."""
    logging.basicConfig(handlers=[Bridge(emit, logging.INFO)], level=logging.WARNING, force=True)
    for name in informed:
        logging.getLogger(name).setLevel(logging.INFO)


def loop_exception_handler(emit: Emit) -> Callable[[Any, dict[str, Any]], None]:
    """For an event loop: what nobody awaited, by type and place."""

    def handle(_loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        fields = place(error) if isinstance(error, BaseException) else {}
        emit("error", str(context.get("message", "unhandled error"))[:200], fields)

    return handle
