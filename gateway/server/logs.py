"""Logs: JSON lines on stderr, written by the supervisor alone; workers hand theirs over (``control.Log``).

Never a body, never a value of an object: exceptions are logged by type and place, for their text may quote one.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from typing import Any

Fields = dict[str, str | int | float | bool]
Emit = Callable[[str, str, Fields], None]
"""Level (``info``, ``warning``, ``error``), event and fields."""


def structlog_emit() -> Emit:
    """Write to stderr through structlog."""
    import structlog  # noqa: PLC0415 - a fifth of a second, and only the supervisor needs it

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger("govgate")

    def emit(level: str, event: str, fields: Fields) -> None:
        getattr(logger, level)(event, **fields)

    return emit


def place(error: BaseException) -> Fields:
    """Type and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:]]
    return {"error": type(error).__name__, "at": " < ".join(reversed(where))}


class Bridge(logging.Handler):
    """Brings what libraries log by the standard library (warnings and worse) into the same log."""

    def __init__(self, emit: Emit) -> None:
        super().__init__(logging.WARNING)
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record; an exception by type and place only."""
        fields: Fields = {"logger": record.name, **{k: str(v) for k, v in getattr(record, "fields", {}).items()}}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= place(record.exc_info[1])
        level = "error" if record.levelno >= logging.ERROR else "warning"
        # The template, not the text: arguments may hold what was sent.
        self._emit(level, str(record.msg)[:200], fields)


def bridge(emit: Emit) -> None:
    """Route the standard library's root logger to ``emit``."""
    logging.basicConfig(handlers=[Bridge(emit)], level=logging.WARNING, force=True)


def loop_exception_handler(emit: Emit) -> Callable[[Any, dict[str, Any]], None]:
    """For an event loop: what nobody awaited, by type and place."""

    def handle(_loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        fields = place(error) if isinstance(error, BaseException) else {}
        emit("error", str(context.get("message", "unhandled error"))[:200], fields)

    return handle
