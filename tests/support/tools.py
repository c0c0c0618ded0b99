"""Where the pinned servers and clients are that tools/build.py built."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

_BUILD = Path(__file__).resolve().parents[2] / "tools" / "build.py"


class ToolMissingError(RuntimeError):
    """The tool was not built; its text says how to build it."""


@cache
def tool(name: str) -> str:
    """Path of the binary."""
    asked = subprocess.run([sys.executable, _BUILD, "--path", name], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise ToolMissingError(asked.stderr.strip())
    return asked.stdout.strip()
