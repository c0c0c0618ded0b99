"""Tasks of asyncio that end when nobody ended them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class EndedError(Exception):
    """Work that goes on for ever has ended."""


def is_cancelled() -> bool:
    """Whether a CancelledError is for the running task: it shall end. Else what it waited for was cancelled, and it goes on."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def lasting(work: Coroutine[Any, Any, Any]) -> None:
    """Work until cancelled. A TaskGroup lets a task that just ends, or is cancelled by what it waited for, go unnoticed.

    Raises:
        EndedError: it ended by itself.
    """
    try:
        await work
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        raise EndedError("cancelled by what it waited for") from None
    raise EndedError("came to its end")
