"""What fixes change, as a unified diff: without lines around, and without what may hold a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from gateway.ci.fix.plan import Step
from gateway.ci.fix.splice import Splice, spliced
from gateway.ci.fix.text import Fixed, Wanted
from gateway.native.manifests import steps_of

_HARMLESS = re.compile(
    r"[\s\ufeff]*(?:- +)*(?:(?:[\w./-]+:(?!\S)|\"[\w./-]+\":|(?:true|false|null)(?![^\s,}\]])|[{}\[\],])\s*)*(?:#.*)?\Z"
)
_HIDDEN = frozenset(("env", "args", "command", "data", "stringData", "binaryData", "annotations"))
_HIDDEN_KINDS = frozenset(("Secret", "SecretList", "ConfigMap", "ConfigMapList"))


class Diff(msgspec.Struct):
    """The text of the diff, and the lines whose change it does not show."""

    text: str
    hidden: list[int]


def diff_of(path: str, old: bytes, fixed: Fixed) -> Diff:
    """The changes of one file, as ``git apply --unidiff-zero`` takes them.

    Values of variables, arguments and data are not shown, nor is a line that holds more than what is changed in it.
    """
    text = old.decode()
    all_hidden = any(_is_hidden(one) for one in fixed.done)
    hunks: list[str] = []
    hidden: list[int] = []
    line, at, shift = 1, 0, 0
    for changes in _grouped(text, fixed.changes):
        start, end = _lines(text, changes)
        line, at = line + text.count("\n", at, start), start
        region = text[start:end]
        new = spliced(region, [Splice(one.start - start, one.end - start, one.text) for one in changes])
        rest = spliced(region, [Splice(one.start - start, one.end - start, "") for one in changes])
        if all_hidden or not _plain(rest):
            hidden.append(line)
            continue
        minus, plus = _split(region), _split(new)
        hunks.append(f"@@ -{_range(line, minus)} +{_range(line + shift, plus)} @@\n")
        hunks += [*_marked("-", minus), *_marked("+", plus)]
        shift += len(plus) - len(minus)
    name = os.path.normpath(path)
    head = f"--- {_side('a', name)}\n+++ {_side('b', name)}\n" if hunks else ""
    return Diff(head + "".join(hunks), hidden)


def _is_hidden(one: Wanted) -> bool:
    steps: list[Step] = [step for step in steps_of(one.path) if isinstance(step, str)]
    return one.finding.resource.kind in _HIDDEN_KINDS or not _HIDDEN.isdisjoint(steps)


def _grouped(text: str, changes: Sequence[Splice]) -> Iterator[list[Splice]]:
    """Changes of the same lines together."""
    group = list(changes[:1])
    for one, other in pairwise(changes):
        start, end = _lines(text, [one])
        if end > _lines(text, [other])[0] or (start == end == other.start == other.end):
            group.append(other)
        else:
            yield group
            group = [other]
    if group:
        yield group


def _lines(text: str, changes: Sequence[Splice]) -> tuple[int, int]:
    """The whole lines that changes are about; none, where whole lines are put between two."""
    start = text.rfind("\n", 0, changes[0].start) + 1
    end = max(change.end for change in changes)
    whole = end == 0 or text[end - 1] == "\n"
    if not whole or any(change.end == end and change.text and not change.text.endswith("\n") for change in changes):
        following = text.find("\n", end) + 1
        end = following or len(text)
    return start, end


def _plain(rest: str) -> bool:
    """Whether the text that stays, of changed lines, is nothing but names, braces, truth values and comments."""
    return all(_HARMLESS.match(line) for line in rest.split("\n"))


def _split(text: str) -> list[str]:
    return text.splitlines(keepends=True) if "\r" not in text else re.findall(r"[^\n]*\n|[^\n]+", text)


def _range(line: int, lines: Sequence[str]) -> str:
    return f"{line if lines else line - 1},{len(lines)}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _side(side: str, name: str) -> str:
    return name if os.path.isabs(name) else f"{side}/{name}"  # noqa: PTH117 - a string
