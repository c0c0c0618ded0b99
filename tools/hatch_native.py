"""Build hook: the native library is built in place and goes into the wheel, which then is for one platform."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Runs tools/build_native.py, unless ``GOVGATE_NATIVE=skip``."""

    def dependencies(self) -> list[str]:
        """The toolchains, as wheels, that this machine lacks. Only an isolated build installs them."""
        if os.environ.get("GOVGATE_NATIVE") == "skip":
            return []
        asked = subprocess.run(
            [sys.executable, self._script(), "--missing"], check=True, capture_output=True, text=True
        )
        return asked.stdout.split()

    def initialize(self, version: str, build_data: dict) -> None:  # noqa: ARG002 - hatchling calls it so
        """Build, and say what the wheel is good for."""
        if os.environ.get("GOVGATE_NATIVE") == "skip":
            return
        if subprocess.run([sys.executable, self._script()], check=False).returncode != 0:
            sys.exit("the native library was not built, see above; GOVGATE_NATIVE=skip installs govgate without it")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"].append("/gateway/native/_library/*.so")

    def _script(self) -> str:
        return str(Path(self.root) / "tools" / "build_native.py")
