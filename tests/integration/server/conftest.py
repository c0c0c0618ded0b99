"""Fixtures: real servers, stopped at the end of the test whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.gateway import Gateway

MakeGateway = Callable[..., Gateway]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[MakeGateway]:
    """Makes servers; the caller starts them."""
    made: list[Gateway] = []

    def make(**config: Any) -> Gateway:
        folder = tmp_path / f"gateway-{len(made)}"
        folder.mkdir()
        made.append(Gateway(folder, **config))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what its server logged."""
    report = yield
    if report.failed:
        for folder in item.funcargs.get("tmp_path", Path("/nonexistent")).glob("gateway-*/log"):
            report.sections.append(("server log", folder.read_text()[-3000:]))
    return report
