"""Which files ``check`` reads, in stable order: files, folders, globs, standard input; each read whole, within bounds."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.ci.render import Folders, Renderer, folders_below
from gateway.native.documents import JSON, YAML, parser_of

SUFFIXES = frozenset((".yaml", ".yml", ".json"))
STDIN = "-"

MAX_FILE_BYTES = 64 * 1024 * 1024
BATCH_FILES = 256
BATCH_BYTES = 16 * 1024 * 1024

_FOLDED = frozenset(("node_modules", "__pycache__"))
_KEPT_APART = frozenset(
    (".git", ".hg", ".svn", ".venv", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".terraform")
)
_HIDDEN = frozenset(("dotenv", "ignore"))
"""Whose files have names that begin with a dot."""
_OURS = frozenset(("", YAML, JSON))
"""Read as Kubernetes reads them."""


class Problem(msgspec.Struct, frozen=True):
    """Input that could not be read; the rest is judged all the same, and the run fails."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


class Content(msgspec.Struct, frozen=True):
    """One file as it was read. ``rendered``: it is what the folder stands for that the file makes one, and its lines are
    not the file's. ``parser``: which one of Conftest's reads it; empty for YAML and JSON.
    """

    path: str
    data: bytes
    rendered: bool = False
    parser: str = ""


def contents(
    paths: Sequence[str],
    *,
    structured: bool = False,
    parser: str = "",
    only: frozenset[str] | None = None,
    renderer: Renderer | None = None,
    kept: dict[str, Content | Problem] | None = None,
) -> Iterator[list[Content | Problem]]:
    """The files that ``paths`` name, a batch at a time: memory does not grow with their number.

    Folders are read with all below them, in order of their names; hidden folders and files of other suffixes are left
    out. A path that does not exist is a glob (``**`` for any folders), or a problem. ``structured``: in folders, files of
    every format that there is a parser for, not YAML and JSON alone. ``parser``: for all files, whatever their names.
    ``only``: of the files that are found, those with these absolute paths. With a ``renderer``, what kustomizations and
    charts stand for takes the place of the files that they are made from. ``kept``: remembers what can be read only once,
    for whoever reads again.
    """
    batch: list[Content | Problem] = []
    size = 0
    wanted = _is_structured if structured else _is_manifest
    for found in _Reader(wanted, parser, only, renderer, kept=kept).read(paths):
        batch.append(found)
        size += len(found.data) if isinstance(found, Content) else 0
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_Wanted = Callable[[str], bool]
"""Whether a file of this name in a folder is read."""


def _is_manifest(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _is_structured(name: str) -> bool:
    parser = parser_of(name)
    return bool(parser) and (not name.startswith(".") or parser in _HIDDEN)


def _any(_name: str) -> bool:
    return True


def all_files(paths: Sequence[str], *, only: frozenset[str] | None = None) -> Iterator[str | Problem]:
    """The names of all files, hidden ones and those of any suffix too, but for what a version control, a package
    manager or a cache keeps for itself; each once. ``only``: as :func:`contents`.
    """
    seen: set[str] = set()
    for path in paths:
        for name in _files(path, _any):
            if isinstance(name, Problem):
                yield name
            elif name not in seen and (only is None or name == STDIN or os.path.realpath(name) in only):
                seen.add(name)
                yield name


class _Reader:
    """Reads each file once, whatever names it."""

    def __init__(
        self,
        wanted: _Wanted,
        parser: str,
        only: frozenset[str] | None,
        renderer: Renderer | None,
        *,
        kept: dict[str, Content | Problem] | None,
    ) -> None:
        self._wanted = wanted
        self._parser = parser
        self._only = only
        self._renderer = renderer
        self._kept = kept
        self._seen: set[str] = set()

    def read(self, paths: Sequence[str]) -> Iterator[Content | Problem]:
        for path in paths:
            folders = None
            if self._renderer is not None and os.path.isdir(path):  # noqa: PTH112 - the path as it was given
                folders = folders_below(path, folded=_FOLDED)
                yield from self._rendered(folders, self._renderer)
            yield from self._plain(path, folders)

    def _plain(self, path: str, folders: Folders | None) -> Iterator[Content | Problem]:
        for name in _files(path, self._wanted):
            if isinstance(name, Problem):
                yield name
            elif folders is not None and folders.belongs(name):
                continue
            elif name not in self._seen and self._is_wanted(name):
                self._seen.add(name)
                yield self._once(name) if name == path else self._read(name, named=False)

    def _once(self, name: str) -> Content | Problem:
        if self._kept is None or not (name == STDIN or _is_pipe(name)):
            return self._read(name, named=True)
        if name not in self._kept:
            self._kept[name] = self._read(name, named=True)
        return self._kept[name]

    def _read(self, name: str, *, named: bool) -> Content | Problem:
        return _read(name, self._parser or parser_of(name), named=named)

    def _is_wanted(self, name: str) -> bool:
        return self._only is None or name == STDIN or os.path.realpath(name) in self._only

    def _rendered(self, folders: Folders, renderer: Renderer) -> Iterator[Content | Problem]:
        for folder in folders.rendered.values():
            if folder.file in self._seen or (self._only is not None and not folders.concerned(folder, self._only)):
                continue
            self._seen.add(folder.file)
            found = renderer.render(folder)
            yield Problem(folder.file, 0, found.problem) if found.problem else Content(folder.file, found.data, True)


def _files(path: str, wanted: _Wanted) -> Iterable[str | Problem]:
    if path == STDIN or os.path.isfile(path) or _is_pipe(path):  # noqa: PTH113 - the path as it was given
        return [path]
    if os.path.isdir(path):  # noqa: PTH112 - the same
        return _walk(path, wanted)
    found = sorted(name for name in glob.iglob(path, recursive=True) if os.path.isfile(name))  # noqa: PTH113, PTH207
    return found or [Problem(path, 0, "there is no such file or folder, and no file matches it as a glob")]


def _walk(folder: str, wanted: _Wanted) -> Iterator[str | Problem]:
    failures: list[OSError] = []
    for directory, folders, names in os.walk(folder, onerror=failures.append):
        folders[:] = sorted(name for name in folders if _is_entered(name, hidden=wanted is _any))
        for name in sorted(names):
            if wanted(name):
                yield os.path.join(directory, name)  # noqa: PTH118 - "./x" stays "./x"
    for failure in failures:
        yield Problem(str(failure.filename), 0, f"cannot be read: {failure.strerror}")


def _is_entered(folder: str, *, hidden: bool) -> bool:
    return folder not in _FOLDED and (folder not in _KEPT_APART if hidden else not folder.startswith("."))


def read_content(path: str, *, named: bool) -> Content | Problem:
    """One file, whatever it is. ``named``: on the command line, where a pipe may be meant."""
    return _read(path, "", named=named)


def _read(path: str, parser: str, *, named: bool) -> Content | Problem:
    """``named``: on the command line, where a pipe is what it seems; elsewhere it would block for ever."""
    if path == STDIN:
        return _bounded("standard input", sys.stdin.buffer.read(MAX_FILE_BYTES + 1), parser)
    try:
        if not named and not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - no Path object for each file
            return Problem(path, 0, "is no regular file")
        with open(path, "rb") as file:  # noqa: PTH123 - the same
            data = read_whole(file)
    except OSError as error:
        return Problem(path, 0, f"cannot be read: {error.strerror}")
    return Problem(path, 0, "changed while it was read: try again") if data is None else _bounded(path, data, parser)


def read_whole(file: BinaryIO) -> bytes | None:
    """An open file, up to a byte more than is taken; None if somebody wrote into it meanwhile.

    Raises:
        OSError: it cannot be read.
    """
    before = os.fstat(file.fileno())
    data = file.read(MAX_FILE_BYTES + 1)
    after = os.fstat(file.fileno())
    same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    return data if same or not stat.S_ISREG(after.st_mode) else None


def _bounded(path: str, data: bytes, parser: str) -> Content | Problem:
    if len(data) > MAX_FILE_BYTES:
        return Problem(path, 0, f"larger than {MAX_FILE_BYTES} bytes")
    return Content(path, data, parser="" if parser in _OURS else parser)


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - the same
    except OSError:
        return False
