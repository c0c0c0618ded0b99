"""The README does what it says: its commands run, in its order, and print what it shows."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.sealing import certificate_pem

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARK = "@@@"


@dataclass
class Step:
    """A command of a console block (with its here-document), and the output that is shown for it."""

    command: str
    shown: str


def steps(block: str) -> Iterator[Step]:
    """Split a block at its prompts."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        here = re.match(r"(.*<<'(\w+)'.*?\n\2\n)(.*)", part, re.DOTALL)
        # A command goes on after a line that ends in a backslash.
        plain = re.match(r"((?:[^\n]*\\\n)*[^\n]*\n)()(.*)", part, re.DOTALL) if here is None else here
        command, shown = (plain[1], plain[3]) if plain else (part, "")
        yield Step(command.strip("\n"), shown.strip("\n"))


def pattern(shown: str) -> str:
    """A line of ``…`` stands for any lines, ``…`` within a line for any text in it."""
    return "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"[ ]*\n"
        for line in shown.splitlines()
    )


def run(block: list[Step], folder: Path) -> list[str]:
    """Run the commands in one shell; what each of them printed, its exit code appended if it failed."""
    script = ["exec 2>&1"]
    for step in block:
        script += [f"echo '{MARK}'", step.command, 'code=$?; [ $code = 0 ] || echo "[exit $code]"']
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(folder)}
    environment |= {"XDG_STATE_HOME": str(folder / "xdg"), "XDG_CONFIG_HOME": str(folder / "config")}
    environment |= {"COLUMNS": "160", "NO_COLOR": "1"}
    shell = ["bash", "-c", "\n".join(script)]
    with subprocess.Popen(
        shell, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            printed, _ = running.communicate(timeout=100)
        finally:
            # What a failing block left behind must not outlive the test.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    return [part.strip("\n") for part in printed.split(f"{MARK}\n")[1:]]


@pytest.mark.native
def test_every_console_block_runs_and_prints_what_is_shown(tmp_path: Path) -> None:
    """The blocks in order, in one folder, as a reader would type them; a cluster's certificate is there."""
    (tmp_path / "cert.pem").write_bytes(certificate_pem())
    blocks = [list(steps(block)) for block in re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE)]
    assert sum(map(len, blocks)) > 8
    for block in blocks:
        for step, printed in zip(block, run(block, tmp_path), strict=True):
            expected = pattern(step.shown)
            if not re.fullmatch(expected, printed + "\n" if printed else ""):
                pytest.fail(f"$ {step.command}\nshown:\n{step.shown}\nprinted:\n{printed}")


def test_the_two_commands_are_targets() -> None:
    """What the README tells to make is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)
    assert named == ["demo", "test"]
    for target in {*named, "help", "bench"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_lead_somewhere() -> None:
    """Every relative link of the README and of the documentation is to a file that is there."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
