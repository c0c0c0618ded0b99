"""One OPA for the session; each test's rules are apart from all others there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.opa import OpaProcess


@pytest.fixture(scope="session")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaProcess]:
    process = OpaProcess(tmp_path_factory.mktemp("opa"))
    try:
        yield process.start()
    finally:
        process.kill()
