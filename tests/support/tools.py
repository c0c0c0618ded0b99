"""Where the pinned servers and clients are that tools/build.py built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

_BUILD = Path(__file__).resolve().parents[2] / "tools" / "build.py"


class ToolMissingError(RuntimeError):
    """The tool was not built; its text says how to build it."""


@cache
def module_folder(tool_module: str, path: str) -> Path:
    """Where Go keeps the sources of a module that ``tools/<tool_module>`` pins, downloaded if they are not there."""
    go = _asked("--go")
    command = [go, "mod", "download", "-json", path]
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    folder = _BUILD.parent / tool_module
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    if done.returncode != 0:
        raise ToolMissingError(done.stdout.strip() + done.stderr.strip())
    return Path(json.loads(done.stdout)["Dir"])


@cache
def tool(name: str) -> str:
    """Path of the binary."""
    return _asked("--path", name)


def _asked(*options: str) -> str:
    asked = subprocess.run([sys.executable, _BUILD, *options], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise ToolMissingError(asked.stderr.strip())
    return asked.stdout.strip()
