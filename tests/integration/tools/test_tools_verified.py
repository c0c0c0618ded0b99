"""The sources of the test servers are verified."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[3] / "tools"


@pytest.mark.servers
def test_a_source_whose_hash_differs_is_not_built(tmp_path):
    """With another hash in go.sum the build fails, says so, and leaves nothing that could be run."""
    shutil.copytree(TOOLS, tmp_path / "tools")
    sums = tmp_path / "tools" / "etcd" / "go.sum"
    line = re.compile(r"(?m)^(go\.etcd\.io/etcd/server/v3 \S+ h1:)(.)")
    text, replaced = line.subn(lambda found: found[1] + ("A" if found[2] != "A" else "B"), sums.read_text(), count=1)
    assert replaced == 1
    sums.write_text(text)
    command = [sys.executable, tmp_path / "tools" / "build.py"]
    built = subprocess.run([*command, "etcd"], capture_output=True, text=True, check=False, timeout=100)
    assert built.returncode == 1
    assert "checksum mismatch" in built.stderr
    assert subprocess.run([*command, "--path", "etcd"], capture_output=True, check=False).returncode == 1
