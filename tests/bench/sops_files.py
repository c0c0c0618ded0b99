"""``govgate sops verify`` beside ``sops -d``, a process for each file."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pyrage

from bench.environment import Row
from gateway.ci.sops_files import verify
from gateway_secrets.sops import program

FILES = 500
BY_SOPS = 50


def measure(folder: Path) -> dict[str, Any]:
    """Wall seconds for a tree of files of 20 values each; of sops, extrapolated from some of them."""
    identity = pyrage.x25519.Identity.generate()
    source = folder / "source.yaml"
    source.write_text("".join(f"key{number}: value of {number}\n" for number in range(20)))
    data = program.run(["encrypt", "--age", str(identity.to_public()), str(source)])
    source.unlink()
    for number in range(FILES):
        (folder / f"{number:04}.yaml").write_bytes(data)
    started = time.perf_counter()
    run = verify([str(folder)], [identity], lambda _: None)
    ours = time.perf_counter() - started
    assert (run.summary.judged, run.findings, run.doubts) == (FILES, [], [])
    environment = {**os.environ, "SOPS_AGE_KEY": str(identity), "SOPS_DISABLE_VERSION_CHECK": "1"}
    started = time.perf_counter()
    for number in range(BY_SOPS):
        command = [program.find_program(), "-d", str(folder / f"{number:04}.yaml")]
        subprocess.run(command, check=True, capture_output=True, env=environment)
    theirs = (time.perf_counter() - started) * FILES / BY_SOPS
    return {"files": FILES, "verify_s": round(ours, 2), "sops_s": round(theirs, 2), "times": round(theirs / ours, 1)}


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    return [
        (f"{found['files']} SOPS files verified", f"{found['verify_s']} s", ""),
        ("  sops -d of each", f"{found['sops_s']} s, {found['times']} times as long", "≥ 20 times"),
    ]
