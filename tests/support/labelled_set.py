"""Reads the labelled set of the detector (tests/data/detect/README.md) and holds findings against its labels."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from support.fake_secrets import make

ROOT = Path(__file__).resolve().parents[1] / "data" / "detect"
PARTS = ("tuned", "held_out", "documented")

_MARK = re.compile(r"([@~?])\{((?:b64:|json:)?)(=?)((?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[^{}])*)\}")


class Label(msgspec.Struct, frozen=True):
    """Where a secret is: the first and last line in which a finding is right. ``must``: whether there has to be one."""

    path: str
    first: int
    last: int
    must: bool
    kind: str


class Sample(msgspec.Struct, frozen=True):
    """A file of the set. ``values``: what is secret in it, in plain text, and as it stands there."""

    path: str
    text: str
    labels: tuple[Label, ...]
    values: tuple[str, ...]


class Score(msgspec.Struct, frozen=True):
    """How findings compare with labels. ``wrong`` and ``missed``: ``path:line``."""

    found: int
    wrong: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def precision(self) -> float:
        """Of the places that were reported, how many are secrets."""
        return self.found / (self.found + len(self.wrong))

    @property
    def recall(self) -> float:
        """Of the secrets, how many were reported."""
        return self.found / (self.found + len(self.missed))


def read_part(part: str) -> list[Sample]:
    """All files of a part, values filled in."""
    samples = []
    for archive in sorted((ROOT / part).glob("*.txt")):
        pieces = re.split(r"^-- (\S+) --\n", archive.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
            samples.append(_sample(f"{archive.stem}/{name}", text, part))
    return samples


def score(samples: Sequence[Sample], places: Iterable[tuple[str, int]]) -> Score:
    """``places``: path and line of each finding."""
    labels = [label for sample in samples for label in sample.labels]
    hit: set[Label] = set()
    wrong: list[str] = []
    for path, line in sorted(set(places)):
        right = [label for label in labels if label.path == path and label.first <= line <= label.last]
        exact = [label for label in right if line > label.first or label.first == label.last] or right
        hit.update(exact)
        if not right:
            wrong.append(f"{path}:{line}")
    missed = [f"{label.path}:{label.last} {label.kind}" for label in labels if label.must and label not in hit]
    return Score(sum(label.must for label in hit), tuple(wrong), tuple(missed))


def _sample(path: str, text: str, part: str) -> Sample:
    out: list[str] = []
    labels: list[Label] = []
    values: list[str] = []
    at = 0
    for number, mark in enumerate(_MARK.finditer(text)):
        out.append(text[at : mark.start()])
        at = mark.end()
        sign, form, literal, name = mark.groups()
        value = name if literal else make(name, f"{part} {path} {number}")
        shown = _formed(value, form)
        before = "".join(out)
        indent = re.match(r"\s*", before[before.rfind("\n") + 1 :])
        shown = shown.replace("\n", "\n" + (indent[0] if indent else ""))
        line = before.count("\n") + 1
        alone = before[before.rfind("\n") + 1 :].strip() == ""
        if sign != "~":
            labels.append(
                Label(path, line - alone, line + shown.count("\n"), sign == "@", name if not literal else "text")
            )
        if sign == "@":
            values += [value, shown]
        out.append(shown)
    return Sample(path, "".join(out) + text[at:], tuple(labels), tuple(values))


def _formed(value: str, form: str) -> str:
    if form == "b64:":
        return base64.b64encode(value.encode()).decode()
    return json.dumps(value)[1:-1] if form == "json:" else value
