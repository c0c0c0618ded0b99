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
from gateway_secrets.detect.names import KEYS
from gateway_secrets.detect.styles import Style

RUN = 20
_RUN = b"a" * RUN
_TOKEN = frozenset((string.ascii_letters + string.digits + "_-").encode())
_TABLE = bytes(0x61 if byte in _TOKEN else 0x20 for byte in range(256))

# By the literal that is searched for: what ends such a name, and what has to come before the literal.
_ENDS: dict[bytes, bytes] = {
    b"pass": rb"pass(?:words?|wd|phrase|w)?\d?",
    b"pwd": rb"pwd\d?",
    b"secret": rb"secret(?:[_-]value)?",
    b"token": rb"token",
    b"key": rb"key(?:[_-]?base|[_-]data)?",
    b"cred": rb"credentials?",
    b"auth": rb"auth(?:orization)?",
}
_KEYS = tuple(word.encode() for word in KEYS)
_LONGEST_WORD = 20
# In lower case, what follows a name and gives it a value: of a password, any; of the rest, one that may be random.
_ANY = rb"""(?!(?:true|false|null|none|yes|no|\d{1,12})[\s,}\]]|["']{2})[^\s:=]"""
_LONG = rb"""(?:[\\"'`]{0,4}[^\s"'`,{}\[\]]{12}|["'`]?(?:basic|bearer|token)[ \t])"""
_GIVES = rb"""
    (?: [\\"'`\])]{0,4}[ \t]{0,30}[:=>]{1,2}\s{0,60}(?:VALUE|\{?\s{0,60}["']?(?:value|default|key)\b)
    | [\\"'`]{0,4}(?:[\s,]|\\[nrt]){0,60}[\\"']{0,4}value\b
    | ["'][ \t]{0,4}\{
    | ["'],\s{0,30}["']
    | \s{1,60}-[ \t] )"""
# In code only quoted text is a value.
_GIVES_IN_CODE = rb"""
    (?: [\\"'`\])]{0,4}[ \t]{0,30}[:=>][^\n"'`]{0,80}["'`]VALUE
    | ["'][ \t]{0,4}\{
    | ["'],\s{0,30}["']value
    | ["'`]?[ \t,]{0,4}["']?value\b )"""
_SPACED = rb"""[ \t]{1,8}[^\s:=]{1,200}[ \t]*(?:[\r\n"']|\\[rn]|\Z)"""


def _named(literal: bytes, ends: bytes, style: Style) -> re.Pattern[bytes]:
    gives = _GIVES_IN_CODE if style is Style.CODE else _GIVES
    value = (_ANY if style is not Style.CODE else rb"[^\n]") if literal in {b"pass", b"pwd"} else _LONG
    if literal == b"auth":
        value = value.replace(b"{12}", b"{8}")
    gives = gives.replace(b"VALUE", value)
    if style is Style.SETTINGS and literal == b"pass":
        gives = rb"(?:" + gives + rb"|" + _SPACED + rb")"
    return re.compile(ends + gives, re.VERBOSE)


_NAMED = {style: {name: _named(name, ends, style) for name, ends in _ENDS.items()} for style in Style}
_KIND = re.compile(rb"kind[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?(?:Sealed)?Secret\b")
_HOOK = re.compile(rb"hook(?:s\.slack\.com/|s/\d|[a-z0-9]{0,4}/)")
_COMMANDS = (
    (b"sshpass", re.compile(rb"sshpass\s{1,3}-p")),
    (b"login", re.compile(rb"login\b[^\n]{0,200}\s(?:-p|--password)[ =]")),
    (b"mysql", re.compile(rb"mysql(?:dump|admin)?\s[^\n]{0,200}(?<=\s)-p")),
    (b"redis-cli", re.compile(rb"redis-cli\s[^\n]{0,200}(?<=\s)-a\s")),
    (b"curl", re.compile(rb"curl\b[^\n]{0,300}\s(?:-u|--user|--proxy-user)")),
)
_URL_BEFORE = 310

MAX_LINE = 4096
_BEFORE, _AFTER = 300, 3000


def may_hold(data: bytes) -> bool:
    """Whether anything in the text is worth a closer look; ``Secret`` objects are, whatever they hold."""
    if keys.MARK in data or keys.PUTTY in data or b"ENC[" in data or b"LS0tLS1CRUdJTi" in data or _KIND.search(data):
        return True
    return next(_spots(data, Style.SETTINGS, nested=True), None) is not None


def suspects(data: bytes, style: Style = Style.SETTINGS) -> list[tuple[int, int, bool]]:
    """Where lines begin and end that are worth a closer look, in order; of very long ones, parts.

    The third says whether there may be a token of a known form.
    """
    spans: list[tuple[int, int, bool]] = []
    start, end, tokens = 0, -1, False
    for spot, token in sorted(_spots(data, style)):
        if spot < end:
            tokens |= token
            continue
        if end >= 0:
            spans.append((start, end, tokens))
        start = max(data.rfind(b"\n", max(0, spot - MAX_LINE), spot) + 1, spot - MAX_LINE, end)
        end = data.find(b"\n", spot, spot + MAX_LINE)
        end = min(len(data), spot + MAX_LINE) if end < 0 else end
        if end - start > MAX_LINE:
            start, end = max(start, spot - _BEFORE), min(end, spot + _AFTER)
        tokens = token
    if end >= 0:
        spans.append((start, end, tokens))
    return spans


def _spots(data: bytes, style: Style, *, nested: bool = False) -> Iterator[tuple[int, bool]]:
    """Places that are worth a look, and whether that is for a token. ``nested``: what is above may complete a name."""
    marked = data.translate(_TABLE)
    at = marked.find(_RUN)
    while at >= 0:
        if STARTS.match(data, at):
            yield at, True
        gap = marked.find(b" ", at + RUN)
        at = marked.find(_RUN, gap) if gap >= 0 else -1
    lowered = data.lower()
    for name, pattern in _NAMED[style].items():
        at = lowered.find(name)
        while at >= 0:
            if pattern.match(lowered, at) and (name != b"key" or _is_secret_key(lowered, at, nested=nested)):
                yield at, False
            at = lowered.find(name, at + len(name))
    yield from _addresses(data, lowered)


def _is_secret_key(lowered: bytes, at: int, *, nested: bool) -> bool:
    """Most keys are none: what comes before tells. One that is called ``key`` alone is told by what it is in."""
    before = lowered[max(0, at - _LONGEST_WORD) : at]
    if nested and not before[-1:].isalnum():
        return True
    return before.rstrip(b"_-.").endswith(_KEYS)


def _addresses(data: bytes, lowered: bytes) -> Iterator[tuple[int, bool]]:
    at = data.find(b"@")
    while at >= 0:
        if data[at - 1 : at] > b" " and (
            data.startswith((b"@(", b"@tcp("), at) or data.find(b"://", max(0, at - _URL_BEFORE), at) >= 0
        ):
            yield at, False
        at = data.find(b"@", at + 1)
    at = data.find(b"hook")
    while at >= 0:
        if _HOOK.match(data, at):
            yield at, True
        at = data.find(b"hook", at + 4)
    for command, pattern in _COMMANDS:
        at = lowered.find(command)
        while at >= 0:
            if pattern.match(lowered, at):
                yield at, False
            at = lowered.find(command, at + len(command))
