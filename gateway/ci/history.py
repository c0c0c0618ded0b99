"""Files as they were in the commits since a revision: what was committed and taken out again has been pushed all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import msgspec

from gateway.ci.changed import git, top_of
from gateway.ci.inputs import BATCH_BYTES, BATCH_FILES, MAX_FILE_BYTES, STDIN, Content
from gateway.core.errors import GovgateError

_BLOB = "100"
"""Modes of files begin so: no links, no submodules."""


class Version(msgspec.Struct, frozen=True):
    """A file as a commit left it. ``path``: from the working folder; ``blob``: Git's name of its content."""

    commit: str
    path: str
    blob: str


def versions(since: str, paths: Sequence[str], folder: str = ".") -> list[Version]:
    """What the commits from where ``since`` and HEAD parted wrote, newest first; each content once for each path.

    Raises:
        GovgateError: there is no git, no repository, or no such revision.
    """
    if since.startswith("-"):
        raise GovgateError(f"--changed-since: not a revision: {since}")
    top = top_of(folder)
    base = os.fsdecode(git(top, "merge-base", since, "HEAD").strip())
    below = [_pathspec(path, top) for path in paths if path != STDIN]
    if not below:
        return []
    options = ("--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=d", "-m", "--format=%x01%H")
    listed = git(top, "log", *options, f"{base}..HEAD", "--", *below)
    found: dict[tuple[str, str], Version] = {}
    commit = ""
    words = iter(listed.split(b"\0"))
    for raw in words:
        word = raw.strip(b"\n")
        if word.startswith(b"\x01"):
            commit, _, rest = word[1:].decode().partition("\n")
            word = rest.strip("\n").encode()
        if not word.startswith(b":"):
            continue
        _, mode, _, blob, _ = word.decode().split(" ")
        name = os.fsdecode(next(words))
        if mode.startswith(_BLOB):
            path = os.path.relpath(os.path.join(top, name), folder)  # noqa: PTH118 - names as Git has them
            found.setdefault((path, blob), Version(commit, path, blob))
    return list(found.values())


def _pathspec(path: str, top: str) -> str:
    """A path as Git takes it: as it is, or a glob where there is no such file any more."""
    below = os.path.relpath(os.path.realpath(path), top)
    magic = "literal" if os.path.exists(path) else "glob"  # noqa: PTH110 - the path as it was given
    return f":(top,{magic}){below}" if below != "." else ":(top)"


def contents_of(wanted: Sequence[Version], folder: str = ".") -> Iterator[list[tuple[Version, Content]]]:
    """Their contents, a batch at a time; those that are too large are left out.

    Raises:
        GovgateError: Git cannot give them.
    """
    batch: list[Version] = []
    size = 0
    for version, length in zip(wanted, _sizes(wanted, folder), strict=True):
        if length > MAX_FILE_BYTES:
            continue
        if batch and (len(batch) >= BATCH_FILES or size + length > BATCH_BYTES):
            yield _read(batch, folder)
            batch, size = [], 0
        batch.append(version)
        size += length
    if batch:
        yield _read(batch, folder)


def _sizes(wanted: Sequence[Version], folder: str) -> list[int]:
    if not wanted:
        return []
    listed = git(folder, "cat-file", "--batch-check=%(objectsize)", given=_names(wanted)).split()
    if len(listed) != len(wanted) or not all(size.isdigit() for size in listed):
        raise GovgateError("--history: git lacks some of the contents; in a partial clone, fetch them first")
    return [int(size) for size in listed]


def _read(batch: Sequence[Version], folder: str) -> list[tuple[Version, Content]]:
    data = git(folder, "cat-file", "--batch", given=_names(batch))
    found, at = [], 0
    for version in batch:
        end = data.index(b"\n", at)
        length = int(data[at:end].split()[2])
        found.append((version, Content(version.path, data[end + 1 : end + 1 + length])))
        at = end + 1 + length + 1
    return found


def _names(wanted: Sequence[Version]) -> bytes:
    return "".join(f"{version.blob}\n" for version in wanted).encode()
