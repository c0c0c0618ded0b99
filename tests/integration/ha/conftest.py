"""A failed test shows what its gateways logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what its gateways logged."""
    report = yield
    if report.failed:
        for log in item.funcargs.get("tmp_path", Path("/nonexistent")).glob("gateway-*/log"):
            report.sections.append((str(log), log.read_text()[-3000:]))
    return report
