"""Files that differ from a Git revision: what a pull request changes, and what is not committed yet."""

from __future__ import annotations

import os
import subprocess

from gateway.core.errors import GovgateError

_TIMEOUT_SECONDS = 60.0


def changed_files(since: str, folder: str = ".") -> frozenset[str]:
    """Absolute paths of the files that differ from where ``since`` and HEAD parted; new ones that Git does not ignore
    too, deleted ones not.

    Raises:
        GovgateError: there is no git, no repository, or no such revision.
    """
    if since.startswith("-"):
        raise GovgateError(f"--changed-since: not a revision: {since}")
    top = top_of(folder)
    # Quoted names could not be told from others; renames are a deletion and a new file.
    listed = git(top, "diff", "--name-only", "-z", "--no-renames", "--diff-filter=d", "--merge-base", since, "--")
    listed += git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(os.path.join(top, os.fsdecode(name)) for name in listed.split(b"\0") if name)  # noqa: PTH118 - names as Git has them


def top_of(folder: str) -> str:
    """The root of the work tree that a folder is in.

    Raises:
        GovgateError: there is no git, or no repository.
    """
    return os.fsdecode(git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n"))


def git(folder: str, *arguments: str, given: bytes = b"") -> bytes:
    """What git prints. ``given``: its standard input.

    Raises:
        GovgateError: there is no git, it takes too long, or it fails; the text has what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - git, without a shell
            ["git", "-C", folder, *arguments],  # noqa: S607 - the one on PATH
            input=given,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise GovgateError("--changed-since: there is no git on PATH") from None
    except subprocess.TimeoutExpired:
        raise GovgateError(f"--changed-since: git took longer than {_TIMEOUT_SECONDS:g} s") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())[:300]
        hint = "; in a shallow clone, fetch more history first" if arguments[0] == "diff" else ""
        raise GovgateError(f"--changed-since: git {arguments[0]}: {said}{hint}")
    return done.stdout
