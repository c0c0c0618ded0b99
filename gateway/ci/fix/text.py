"""Fixes applied to a file's bytes: nothing is taken for done before Kubernetes' reader has said so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.ci.fix.plan import RefusalError, Step, Tree, applied, grow, resolve
from gateway.ci.fix.splice import Splice, spliced, splices
from gateway.core.finding import Finding, Fix
from gateway.native.manifests import Document, read_files


class Wanted(msgspec.Struct, frozen=True):
    """A finding with a fix. ``at``: the file; ``line``: where its document begins; ``prefix``: the object's path in it, if it is an item.
    ``rendered``: the object is what a kustomization or a chart stands for, and in no file.
    """

    finding: Finding
    fix: Fix
    at: str
    line: int
    prefix: str = ""
    rendered: bool = False

    @property
    def path(self) -> str:
        """The field to change, from the document's root."""
        field = self.fix.path or self.finding.field
        return f"{self.prefix}.{field}" if self.prefix else field


class Fixed(msgspec.Struct):
    """What became of a file. ``changes``: in characters of the old text."""

    data: bytes
    changes: list[Splice] = []
    done: list[Wanted] = []
    refused: list[tuple[Wanted, str]] = []


class _Part(msgspec.Struct):
    """A document with fixes: its place in the file, what it says, and what it is to say."""

    start: int
    text: str
    value: Any
    wanted: list[Wanted]
    tree: Tree = {}
    changes: list[Splice] = []


def fix_file(data: bytes, wanted: Sequence[Wanted]) -> Fixed:
    """The file with those fixes that can be made in it, and why others can not."""
    before = read_files([data])[0]
    if before.problem is not None:
        return _none(data, wanted, f"the file cannot be read to its end (line {before.problem.line})")
    text = data.decode()
    fixed = Fixed(data)
    parts = _parts(text, before.documents, wanted, fixed)
    for part in parts.values():
        _plan(part, fixed)
    changed = {index: part for index, part in parts.items() if part.changes}
    while changed:
        changes = [
            Splice(at + part.start, end + part.start, new) for part in changed.values() for at, end, new in part.changes
        ]
        new = spliced(text, changes).encode()
        wrong = _wrong(before.documents, new, changed)
        if not wrong:
            fixed.data, fixed.changes = new, changes
            fixed.done = [one for part in changed.values() for one in part.wanted]
            break
        for index in wrong:
            fixed.refused += [(one, "more than the field would change") for one in changed.pop(index).wanted]
    return fixed


def _none(data: bytes, wanted: Sequence[Wanted], why: str) -> Fixed:
    return Fixed(data, refused=[(one, why) for one in wanted])


def _parts(text: str, documents: Sequence[Document], wanted: Sequence[Wanted], fixed: Fixed) -> dict[int, _Part]:
    lines = [document.line for document in documents]
    starts = _starts(text, lines)
    found: dict[int, _Part] = {}
    for one in wanted:
        if lines.count(one.line) != 1:
            fixed.refused.append((one, "its line holds several documents"))
            continue
        index = lines.index(one.line)
        if index not in found:
            end = starts[index + 1] if index + 1 < len(starts) else len(text)
            try:
                value = msgspec.json.decode(documents[index].json)
            except RecursionError:
                fixed.refused.append((one, "the document is nested too deeply"))
                continue
            found[index] = _Part(starts[index], text[starts[index] : end], value, [])
        found[index].wanted.append(one)
    return dict(sorted(found.items()))


def _starts(text: str, lines: Sequence[int]) -> list[int]:
    """Where lines begin. ``lines`` never go back."""
    starts: list[int] = []
    at, line = 0, 1
    for wanted in lines:
        while line < wanted:
            at = text.find("\n", at) + 1
            line += 1
        starts.append(at)
    return starts


def _plan(part: _Part, fixed: Fixed) -> None:
    """Find the changes of a document, without the fixes that have none."""
    if isinstance(part.value, dict) and isinstance(part.value.get("sops"), dict):
        fixed.refused += [
            (one, "the document is encrypted by SOPS, whose checksum covers the field") for one in part.wanted
        ]
        part.wanted = []
        return
    steps: list[tuple[Wanted, tuple[Step, ...]]] = []
    for one in part.wanted:
        try:
            at = resolve(part.value, one.path, one.fix)
            grow(part.tree, at, one.fix)
            steps.append((one, at))
        except RefusalError as refusal:
            fixed.refused.append((one, str(refusal)))
    while steps:
        part.tree = {}
        for one, at in steps:
            grow(part.tree, at, one.fix)
        try:
            part.changes = splices(part.text, part.value, part.tree)
            break
        except RefusalError as refusal:
            inside = len(refusal.steps)
            out = [(one, str(refusal)) for one, at in steps if at[:inside] == refusal.steps]
            steps = [(one, at) for one, at in steps if at[:inside] != refusal.steps]
            fixed.refused += out
    part.wanted = [one for one, _ in steps]


def _wrong(before: Sequence[Document], new: bytes, changed: dict[int, _Part]) -> list[int]:
    """The changed documents that do not read as they should; all of them where it cannot be told which."""
    after = read_files([new])[0]
    if after.problem is not None or len(after.documents) != len(before):
        return _wrong_alone(changed) or list(changed)
    wrong = []
    for index, (old, now) in enumerate(zip(before, after.documents, strict=True)):
        if index not in changed:
            if old.json != now.json:
                return list(changed)
        elif not _as_meant(changed[index], now):
            wrong.append(index)
    return wrong


def _wrong_alone(changed: dict[int, _Part]) -> list[int]:
    """The changed documents that do not read as they should outside of their file."""
    alone = read_files([spliced(part.text, part.changes).encode() for part in changed.values()])
    return [
        index
        for (index, part), file in zip(changed.items(), alone, strict=True)
        if file.problem is not None or len(file.documents) != 1 or not _as_meant(part, file.documents[0])
    ]


def _as_meant(part: _Part, now: Document) -> bool:
    return _canonical(msgspec.json.decode(now.json)) == _canonical(applied(part.value, part.tree))


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
