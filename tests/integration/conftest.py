"""What the tests against real servers share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A socket or file that a test leaves open fails that test, not whichever runs when it is collected."""
    yield
    gc.collect()
