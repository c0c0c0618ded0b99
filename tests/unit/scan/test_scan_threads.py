"""What works on the file is over before the file is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.controllers.scan.threads import in_thread


async def test_a_cancelled_call_is_over_when_its_caller_goes_on() -> None:
    """Cancelling does not leave a thread behind."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def call() -> None:
        begun.set()
        go_on.wait(10)
        done.append(True)

    task = asyncio.create_task(in_thread(call))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]


async def test_what_it_returns_and_raises() -> None:
    """As the call does."""
    assert await in_thread(max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
