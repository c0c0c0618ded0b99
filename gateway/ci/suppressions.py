"""Comments in manifests that accept findings for a while: ``# govgate:ignore RULE until=2027-03-01 reason="…"``.

At the end of a line, or on the line above it, such a comment is about what is found in that line; before the first line
of a document, about the whole of it. Rule, date and reason are all needed. A date that has passed, or is none, counts as
passed: what has lapsed suppresses nothing, and is said aloud; so is what nothing matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fnmatch import fnmatchcase

import msgspec

from gateway.config.check import Check
from gateway.core.finding import Finding

MARK = b"govgate:ignore"
_COMMENT = re.compile(r"(?P<before>.*?)#\s*govgate:ignore\b(?P<rest>.*)\Z")
_RULE = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._*-]+)+\Z")
_REASON = re.compile(r'\breason=(?:"([^"]*)"|(\S+))')
_UNTIL = re.compile(r"\buntil=(\S+)")


class Suppression(msgspec.Struct):
    """One comment. ``first`` and ``last``: the lines that it is about. ``problem``: why it suppresses nothing."""

    path: str
    line: int
    rules: tuple[str, ...]
    until: str
    reason: str
    first: int
    last: int
    problem: str = ""
    used: bool = False

    @property
    def id(self) -> str:
        """As findings name it."""
        return f"suppression/{self.path}:{self.line}"

    @property
    def state(self) -> str:
        """``active``, ``unused``, or why it has lapsed."""
        return self.problem or ("active" if self.used else "unused")

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding, whatever its state."""
        at = finding.location
        return (
            at is not None
            and at.path == self.path
            and self.first <= at.line <= self.last
            and any(fnmatchcase(finding.rule, rule) for rule in self.rules)
        )


class _File(msgspec.Struct, frozen=True):
    path: str
    lines: list[str]
    documents: Sequence[int]


def find(path: str, data: bytes, documents: Sequence[int], settings: Check, today: date) -> list[Suppression]:
    """The suppressions in a file. ``documents``: the lines in which its documents begin, in order."""
    if MARK not in data:
        return []
    file = _File(path, data.decode(errors="replace").splitlines(), documents)
    found = [_read(file, number, match) for number, match in _comments(file.lines)]
    for one in found:
        one.problem = _incomplete(one) or _not_in_force(one, settings, today)
    return found


def apply(suppressions: Sequence[Suppression], findings: Sequence[Finding]) -> list[Finding]:
    """The same findings, each that a suppression covers with its name; one that is excepted already stays as it is."""
    return [_applied(suppressions, finding) for finding in findings]


def _applied(suppressions: Sequence[Suppression], finding: Finding) -> Finding:
    for one in suppressions:
        if finding.exception is None and not one.problem and one.covers(finding):
            one.used = True
            return msgspec.structs.replace(finding, exception=one.id)
    return finding


def _comments(lines: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.match(line) if "govgate:ignore" in line else None
        if match is not None:
            yield number, match


def _read(file: _File, number: int, match: re.Match[str]) -> Suppression:
    first, last = _lines_about(file, number, trailing=bool(match["before"].strip()))
    rest = match["rest"]
    reason, until = _REASON.search(rest), _UNTIL.search(rest)
    names = re.split(r"[\s,]+", re.split(r"\b(?:until|reason)=", rest)[0].strip())
    return Suppression(
        file.path,
        number,
        tuple(name for name in names if name),
        until[1] if until else "",
        next((group for group in reason.groups() if group), "") if reason else "",
        first,
        last,
    )


def _lines_about(file: _File, number: int, *, trailing: bool) -> tuple[int, int]:
    """Its own line; the next one that is no comment; or a whole document, of which it stands before the first line."""
    if trailing:
        return number, number
    lines, documents = file.lines, file.documents
    following = number + 1
    while following <= len(lines) and (
        not lines[following - 1].strip() or lines[following - 1].lstrip().startswith("#")
    ):
        following += 1
    starts = [start for start in documents if start <= following]
    begins = _content_line(lines, starts[-1]) if starts else 0
    if following in (begins, *documents) or (following <= len(lines) and lines[following - 1].startswith("---")):
        end = next((start - 1 for start in documents if start > following), len(lines))
        return number, end
    return number, following


def _content_line(lines: Sequence[str], start: int) -> int:
    """The first line of a document that says something."""
    for number in range(start, len(lines) + 1):
        line = lines[number - 1].strip()
        if line and not line.startswith(("#", "---")):
            return number
    return start


def _incomplete(found: Suppression) -> str:
    if not found.rules or not all(_RULE.match(rule) for rule in found.rules):
        return "names no rule"
    if not found.reason:
        return "gives no reason"
    try:
        date.fromisoformat(found.until)
    except ValueError:
        return "has no date until=YYYY-MM-DD"
    return ""


def _not_in_force(found: Suppression, settings: Check, today: date) -> str:
    until = date.fromisoformat(found.until)
    if until < today:
        return f"lapsed on {until}"
    if until > today + timedelta(days=settings.max_days):
        return f"goes further than {settings.max_days} days ahead"
    for rule in found.rules:
        for pattern in settings.protected_rules:
            if fnmatchcase(rule, pattern) or fnmatchcase(pattern, rule):
                return f"is about {rule}, which may not be suppressed"
    return ""
