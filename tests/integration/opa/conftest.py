"""A real OPA for each test: what lies in one from before makes every compilation in it slower."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.opa import OpaProcess


@pytest.fixture
def opa(tmp_path: Path) -> Iterator[OpaProcess]:
    process = OpaProcess(tmp_path)
    try:
        yield process.start()
    finally:
        process.kill()
