"""Finds in bulk, at the speed of ``bytes.find``, the few lines that are worth a closer look.

Tokens of known forms have a run of at least 20 token characters: translating the text into runs and gaps turns all those
forms into one search. The rest is told by literals: names of settings, ``://``, and a few marks.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from gateway_secrets.detect import keys
from gateway_secrets.detect.formats import STARTS

RUN = 20
_RUN = b"a" * RUN
_TOKEN = frozenset((string.ascii_letters + string.digits + "_-").encode())
_TABLE = bytes(0x61 if byte in _TOKEN else 0x20 for byte in range(256))

_NAMES = (b"pass", b"pwd", b"secret", b"token", b"key", b"cred", b"auth", b"psk")
# What follows the word, in lower case: the rest of the name, then what gives it a value.
_NAMED = re.compile(
    rb"""[a-z]{3,6}[\w.\-]{0,60}
    (?: [\\"'`\])]{0,4}[ \t]{0,30}[:=>]
    | ["'`]?[ \t,]{0,4}\s{0,60}["']?value\b
    | ["'][ \t]{0,4}\{
    | ["'],\s{0,30}["']
    | \s{1,60}-[ \t]
    | [ \t]{1,8}[^\s:=] )""",
    re.VERBOSE,
)
_MARKS: tuple[tuple[bytes, re.Pattern[bytes]], ...] = (
    (
        b"://",
        re.compile(rb"://(?:[^\s/@:\"'<>`]{0,100}:[^\s@\"'<>`]{1,200}@|hooks\.slack\.com/|discord(?:app)?\.com/api/w|[a-z0-9.-]{0,60}office\.com/webhook)"),
    ),
    (b"@tcp(", re.compile(rb"@tcp\(")),
    (b"@(", re.compile(rb"@\(")),
    (b" -u", re.compile(rb" -u[ =]?[\"']?[\w.@-]{1,60}:")),
    (b"--user", re.compile(rb"--user[ =][\"']?[\w.@-]{1,60}:")),
)

MAX_LINE = 4096
_BEFORE, _AFTER = 300, 3000


def may_hold(data: bytes) -> bool:
    """Whether anything in the text is worth a closer look; ``Secret`` objects are, whatever they hold."""
    if keys.MARK in data or keys.PUTTY in data or b"Secret" in data or b"ENC[" in data or b"LS0tLS1CRUdJTi" in data:
        return True
    return next(_spots(data), None) is not None


def suspects(data: bytes) -> list[tuple[int, int]]:
    """Where lines begin and end that are worth a closer look, in order; of very long ones, parts."""
    spans: list[tuple[int, int]] = []
    end = -1
    for spot in sorted(_spots(data)):
        if spot < end:
            continue
        start = max(data.rfind(b"\n", max(0, spot - MAX_LINE), spot) + 1, spot - MAX_LINE, end)
        end = data.find(b"\n", spot, spot + MAX_LINE)
        end = min(len(data), spot + MAX_LINE) if end < 0 else end
        if end - start > MAX_LINE:
            start, end = max(start, spot - _BEFORE), min(end, spot + _AFTER)
        spans.append((start, end))
    return spans


def _spots(data: bytes) -> Iterator[int]:
    marked = data.translate(_TABLE)
    at = marked.find(_RUN)
    while at >= 0:
        if STARTS.match(data, at):
            yield at
        gap = marked.find(b" ", at + RUN)
        at = marked.find(_RUN, gap) if gap >= 0 else -1
    lowered = data.lower()
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            if _NAMED.match(lowered, at):
                yield at
            at = lowered.find(name, at + len(name))
    for mark, pattern in _MARKS:
        at = data.find(mark)
        while at >= 0:
            if pattern.match(data, at):
                yield at
            at = data.find(mark, at + len(mark))
