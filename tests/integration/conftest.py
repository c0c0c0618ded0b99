"""What the tests against real servers share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.planted import PLANTED
from support.said import SAID


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A socket or file that a test leaves open fails that test, not whichever runs when it is collected."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def nothing_planted_is_said() -> Iterator[None]:
    """Of all values that tests planted in stores and Secrets, nothing is in any log, metric, event, condition or audit
    record of the run. That the search sees these places is a test of its own (test_leak_scan.py)."""
    yield
    assert SAID.leaks(PLANTED.tails) == {}
