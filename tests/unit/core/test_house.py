"""Rules of the house: small modules, and a standard library that is not shadowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("gateway", "webhooks", "secrets")


def test_the_standard_librarys_secrets_win() -> None:
    """From the repository root, with it first on the path, ``import secrets`` is Python's own."""
    code = "import secrets; print(len(secrets.token_hex(8)))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == "16\n"
    assert not (ROOT / "secrets" / "__init__.py").exists()


def test_modules_are_small() -> None:
    """Half of them have at most 150 lines, none more than 500."""
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.stat().st_size
    }
    assert median(sizes.values()) <= 150
    assert {str(path): lines for path, lines in sizes.items() if lines > 500} == {}
