"""The stamp that every result carries: what it was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

Row = tuple[str, str, str]
"""What was measured, the figure with its unit, the goal or nothing."""

PACKAGES = ("aiohttp", "uvloop", "msgspec", "cryptography", "sigstore", "prometheus-client", "zstandard")


def stamp() -> dict[str, Any]:
    """Time, machine, interpreter, libraries and commit."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
        "load_average": os.getloadavg(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str:
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def rate(measured: dict[str, Any]) -> str:
    """What the load generator measured, in words; whatever failed is said loudly."""
    failed = f", {measured['failed']} FAILED" if measured["failed"] else ""
    return f"{measured['perSecond']:,.0f} (p99 {measured['p99Ms']:.1f} ms{failed})"
