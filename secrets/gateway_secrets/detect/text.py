"""Credentials in a text of any kind: formats, private keys, addresses, and settings whose names tell."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from gateway_secrets.detect import keys, kinds
from gateway_secrets.detect.addresses import addresses_in, is_user_and_password
from gateway_secrets.detect.formats import tokens_in
from gateway_secrets.detect.hit import Hit
from gateway_secrets.detect.prefilter import suspects
from gateway_secrets.detect.settings import settings_in
from gateway_secrets.detect.structure import decoded
from gateway_secrets.detect.styles import Style

_CHECKED = "its checksum is right"
_PEM_BASE64 = re.compile(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{40,12000}")
_AUTH = re.compile(
    r"\"auth\"\s{0,3}:\s{0,3}\"([A-Za-z0-9+/=]{8,2000})\"|\b_auth\s{0,3}=\s{0,3}([A-Za-z0-9+/=]{8,2000})"
)
_LOOK_AHEAD = 800
_OPENS = re.compile(r"\s*(?:-\s+)?[\"']?name[\"']?\s*[:=]|.*\bvariable\s")


class Found(msgspec.Struct, frozen=True):
    """A credential, and where it is in the text that was looked at."""

    kind: str
    name: str
    start: int
    end: int
    checked: bool = False


def in_text(data: bytes, style: Style = Style.SETTINGS) -> list[Hit]:
    """The credentials in a text. Bytes that are not UTF-8 are no part of any; ``line`` counts in the text."""
    found: list[tuple[int, Found]] = [(start, Found(kinds.PRIVATE_KEY, "", start, end)) for start, end in _keys(data)]
    found.sort(key=lambda pair: pair[0])
    begins, ends = [one.start for _, one in found], [one.end for _, one in found]
    for start, end, tokens in suspects(data, style):
        inside = bisect_right(begins, start) - 1
        if inside >= 0 and start < ends[inside]:
            continue  # the body of a private key
        line = data[start:end].decode(errors="replace")
        found += [(start, one) for one in in_line(line, style, tokens=tokens)]
        if _OPENS.match(line):
            found += [(start, one) for one in _ahead(data, start, end, style)]
    return _hits(data, found)


def in_comments(data: bytes) -> list[Hit]:
    """The credentials in comment lines of settings, for what reads the settings themselves drops those."""
    if b"#" not in data:
        return []
    found = []
    for start, end, _ in suspects(data):
        if data[start:end].lstrip()[:1] == b"#":
            found += [(start, one) for one in in_line(data[start:end].decode(errors="replace"))]
    return _hits(data, found)


def in_line(line: str, style: Style = Style.SETTINGS, *, tokens: bool = True) -> Iterator[Found]:
    """The credentials in one line, none of them twice. ``tokens``: whether there may be any of a known form."""
    taken: list[tuple[int, int]] = []
    for token in tokens_in(line) if tokens else ():
        taken.append((token.start, token.end))
        yield Found(token.kind, "", token.start, token.end, token.checked)
    for address in addresses_in(line):
        if _is_free(taken, address.start, address.end):
            taken.append((address.start, address.end))
            yield Found(address.kind, "", address.start, address.end)
    for match in _AUTH.finditer(line) if "auth" in line else ():
        if is_user_and_password(match[1] or match[2]):
            taken.append(match.span())
            yield Found(kinds.REGISTRY, "", *match.span())
    for setting in settings_in(line, style):
        if _is_free(taken, setting.start, setting.end):
            taken.append((setting.start, setting.end))
            yield Found(setting.kind, setting.name, setting.start, setting.end)


def _is_free(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    return all(end <= first or start >= last for first, last in taken)


def _keys(data: bytes) -> Iterator[tuple[int, int]]:
    """Byte offsets of private keys; those in base64 as well."""
    if keys.MARK in data or keys.PUTTY in data:
        yield from keys.private_keys(data.decode("latin-1"))
    for match in _PEM_BASE64.finditer(data) if b"LS0tLS1CRUdJTi" in data else ():
        inner = decoded(match[0][: len(match[0]) // 4 * 4].decode())
        if inner and any(True for _ in keys.private_keys(inner.decode("latin-1"))):
            yield match.span()


def _ahead(data: bytes, start: int, end: int, style: Style) -> Iterator[Found]:
    """What a name in this line and a value in one of the next make together."""
    text = data[start : end + _LOOK_AHEAD].decode(errors="replace")
    text = text.partition("\n}")[0] if text.lstrip().startswith("variable") else "\n".join(text.split("\n", 2)[:2])
    length = len(data[start:end].decode(errors="replace"))
    for setting in settings_in(text, style):
        name_at = text.rfind(setting.name, 0, setting.start)
        if setting.start > length and 0 <= name_at < length:
            yield Found(setting.kind, setting.name, setting.start, setting.end)


def _hits(data: bytes, found: list[tuple[int, Found]]) -> list[Hit]:
    """Lines counted once through the text, in order."""
    hits: list[Hit] = []
    line, counted = 1, 0
    for start, one in sorted(found, key=lambda pair: pair[0]):
        line += data.count(b"\n", counted, start)
        counted = start
        at = line
        if one.name or one.kind != kinds.PRIVATE_KEY:
            at += data[start : start + 4 * one.start].decode(errors="replace")[: one.start].count("\n")
        hits.append(Hit(one.kind, one.name, at, _CHECKED if one.checked else ""))
    return hits
