"""The library's Go sources: their own tests, vet, and the one format."""

from __future__ import annotations

import importlib
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.native, pytest.mark.servers]

TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.fixture
def go(monkeypatch):
    """Runs a command of the Go toolchain that builds the library; gives what it printed and how it ended."""
    monkeypatch.syspath_prepend(TOOLS)
    native = importlib.import_module("build_native")
    cache = native.tools.cache_dir(os.environ)
    path = native.find_go()[0] if native.find_go() else native.tools.install_go(cache)
    environment = {**os.environ, **native.FLAGS, **native.c_compiler(cache)}

    def run(program, *arguments):
        command = [str(Path(path).with_name(program)), *arguments]
        done = subprocess.run(
            command, cwd=native.SOURCES, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.timeout(600)
def test_the_tests_written_in_go_pass(go):
    """What Python cannot reach is tested in Go: the seeds of the fuzz tests are run, not searched from."""
    status, output = go("go", "test", "-count=1", ".")
    assert status == 0, output
    assert "no test files" not in output


@pytest.mark.timeout(600)
def test_vet_has_nothing_to_say(go):
    """Go's own analysis finds no suspicious construct."""
    status, output = go("go", "vet", ".")
    assert status == 0, output


def test_the_sources_are_formatted(go):
    """One format: gofmt's."""
    assert go("gofmt", "-l", ".") == (0, "")
