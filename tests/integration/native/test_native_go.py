"""The Go side's own tests and checks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[3] / "gateway" / "native" / "go"

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(shutil.which("go") is None, reason="the library can be built without a Go on PATH, this cannot"),
]


def _go(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    return subprocess.run(
        command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.timeout(600)
def test_the_tests_written_in_go_pass():
    """Panics, handles, queues, snapshots: what only Go can see. ``go test`` vets the code too."""
    done = _go("go", "test", "-vet=all", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_go_code_is_formatted():
    """As gofmt writes it."""
    assert _go("gofmt", "-l", ".").stdout == ""
