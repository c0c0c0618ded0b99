"""``check --fix`` and ``--diff``: findings put right in their files, and what became of each said."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from gateway.ci.fix.diff import diff_of
from gateway.ci.fix.files import ChangedError, replace_file
from gateway.ci.fix.suggest import suggestion
from gateway.ci.fix.text import Fixed, Wanted, fix_file
from gateway.ci.inputs import Problem
from gateway.ci.report.words import place, printable
from gateway.ci.run import Run

_MAX_SUGGESTIONS = 1000
_CHANGED = "the file has changed since it was read: run it again"


Tried = set[tuple[str, str, str]]
"""Fixes that need not be tried again: file, finding, field."""


def fix_files(run: Run, tried: Tried, problems: list[Problem]) -> bool:
    """Write the fixes of a run into its files: whether any was. ``problems`` gets what could not be read or written."""
    written = False
    for path, wanted, old in _files(run, tried, problems):
        fixed = _fixed(old, wanted)
        if not fixed.done:
            continue
        try:
            replace_file(path, old, fixed.data)
        except ChangedError:
            _refuse([(one, _CHANGED) for one in fixed.done])
        except OSError as error:
            problems.append(Problem(path, 0, f"cannot be written, and is as it was: {error.strerror}"))
        else:
            written = True
            for one in fixed.done:
                _say(f"fixed {_about(one)}")
    return written


def show_fixes(run: Run) -> list[Problem]:
    """Print what :func:`fix_files` would change, and change nothing."""
    problems: list[Problem] = []
    for path, wanted, old in _files(run, set(), problems):
        fixed = _fixed(old, wanted)
        found = diff_of(path, old, fixed)
        sys.stdout.write(found.text)
        for line in found.hidden:
            _say(f"{path}:{line}: would change; not shown, for the line may hold more than the fix")
    sys.stdout.flush()
    return problems


def suggest_fixes(run: Run) -> None:
    """Add to a run what its fixes would change, for reports that show it. Files that changed meanwhile have none."""
    read: dict[str, bytes] = {}
    for one in run.fixes[:_MAX_SUGGESTIONS]:
        if one.rendered or one.at not in run.digests:
            continue
        if one.at not in read:
            try:
                read[one.at] = Path(one.at).read_bytes()
            except OSError:
                read[one.at] = b""
        if sha256(read[one.at]).digest() == run.digests[one.at]:
            run.suggestions[one.finding.id, one.at] = suggestion(one.at, read[one.at], one)


def _files(run: Run, tried: Tried, problems: list[Problem]) -> Iterator[tuple[str, list[Wanted], bytes]]:
    """The files with fixes, each with its content: the one that was judged. Two names of a file are one file."""
    wanted: dict[str, list[Wanted]] = {}
    for one in run.fixes:
        key = (one.at, one.finding.id, one.path)
        if key in tried:
            continue
        tried.add(key)
        if one.rendered:
            _refuse([(one, "it is rendered: change its source, or judge files as they lie (--render never)")])
        elif one.at not in run.digests or not os.path.isfile(one.at):  # noqa: PTH113 - a string
            _refuse([(one, "what was read is no file")])
        else:
            wanted.setdefault(os.path.realpath(one.at), []).append(one)
    for ones in wanted.values():
        path = ones[0].at
        try:
            old = Path(path).read_bytes()
        except OSError as error:
            problems.append(Problem(path, 0, f"cannot be read: {error.strerror}"))
            continue
        if sha256(old).digest() == run.digests[path]:
            yield path, ones, old
        else:
            _refuse([(one, _CHANGED) for one in ones])


def _fixed(old: bytes, wanted: Sequence[Wanted]) -> Fixed:
    fixed = fix_file(old, wanted)
    _refuse(fixed.refused)
    return fixed


def _refuse(refused: Sequence[tuple[Wanted, str]]) -> None:
    for one, why in refused:
        _say(f"not fixed {_about(one)}: {why}")


def _about(one: Wanted) -> str:
    return f"{place(one.finding.location)}: {one.finding.rule}: {one.path}"


def _say(text: str) -> None:
    print(f"govgate: {printable(text)}", file=sys.stderr)
