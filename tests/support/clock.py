"""A clock that jumps, for one program: as when somebody sets it, or a machine wakes with a wrong one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_BUILD_NATIVE = Path(__file__).resolve().parents[2] / "tools" / "build_native.py"


class Clock:
    """The environment of a program whose time of day is moved by :meth:`jump`."""

    def __init__(self, folder: Path) -> None:
        self._moved, library = folder / "moved", folder / "clock.so"
        asked = subprocess.run(
            [sys.executable, _BUILD_NATIVE, "--compiler"], capture_output=True, text=True, check=True, timeout=300
        )
        compiler = shlex.split(asked.stdout)
        subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True, timeout=120)
        self.environment = {"LD_PRELOAD": str(library), "TESTS_CLOCK": str(self._moved)}
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """So far from the machine's own time, from now on."""
        new = self._moved.with_suffix(".new")
        new.write_text(f"{seconds}\n")
        new.replace(self._moved)
