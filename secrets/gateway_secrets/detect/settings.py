"""Settings in a line of text, whatever syntax writes them: ``name = value``, ``"name": "value"``, ``<name>value</name>``.

Every pattern is anchored where a name begins and has bounded repetitions: its cost grows with the line, not faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from gateway_secrets.detect import kinds
from gateway_secrets.detect.names import Telling, plain_name, telling
from gateway_secrets.detect.structure import Sealing, sealing
from gateway_secrets.detect.styles import Style
from gateway_secrets.detect.values import is_harmless, is_random, is_wordy

_NAME = re.compile(
    r"""(?<![\w.])(?<!\w-)
    (?P<name>[A-Za-z_][\w.\-]{0,79})(?:\\{0,3}["'`])?\]?
    (?:\s{0,3}:\s{0,3}[A-Za-z_&*][\w.\[\]<>|?&*]{0,40}(?=\s{1,3}=[^=]))?
    (?P<gap>\s{0,30})(?P<op>:=|=>|=|:)(?![=~])""",
    re.VERBOSE,
)
_VALUE = re.compile(
    r"""[ \t]{0,30}
    (?:\\{0,3}"(?P<double>(?:[^"\\]|\\[^"]){1,400})\\{0,3}"
    |'(?P<single>[^']{1,400})'
    |`(?P<back>[^`]{1,400})`
    |(?P<bare>[^\s"'`,;(){}\[\]<>&|][^\s;&"'`<>]{0,400}))""",
    re.VERBOSE,
)
_XML = re.compile(r"<(?:\w{1,20}:)?(?P<name>[A-Za-z_][\w.\-]{0,79})(?:\s[^<>]{0,200})?>(?P<bare>[^<>]{1,400})</")
_ATTRIBUTE = re.compile(
    r"""\b(?:name|key)["']?\s{0,3}[=:]\s{0,3}["']?(?P<name>[A-Za-z_][\w.\-]{0,79})["']?[\s,]{1,60}["']?value["']?\s{0,3}[=:]\s{0,3}
    (?:"(?P<double>[^"]{1,400})"|'(?P<single>[^']{1,400})'|(?P<bare>[^\s"'{}<>|,][^\s<>"']{0,400}))""",
    re.VERBOSE,
)
_VARIABLE = re.compile(
    r"\bvariable\s{1,3}\"(?P<name>[\w-]{1,80})\"\s{0,3}\{(?:[^{}]{0,600}?)\bdefault\s{0,20}=\s{0,5}\"(?P<double>[^\"\n]{1,400})\""
)
_SPACED = re.compile(
    r"\A(?:(?:\s*(?:machine|login|user|default)\s+\S+){0,3}\s*)(?P<name>(?:insecure-)?password|passwd)\s+(?P<bare>[^\s=:\"'(]\S{0,200})(?<![.,;:!?])\s*\Z"
)
_REDIS = re.compile(r"\A\s*(?P<name>requirepass)\s+[\"']?(?P<bare>[^\s\"']{1,200})[\"']?\s*\Z")
_EVERY = frozenset(Style)
_FORMS = (
    (_XML, "<", _EVERY),
    (_ATTRIBUTE, "value", _EVERY),
    (_VARIABLE, "variable", frozenset((Style.CODE,))),
    (_SPACED, "passw", frozenset((Style.SETTINGS,))),
    (_REDIS, "requirepass", frozenset((Style.SETTINGS,))),
)
"""Each with a word that a line has, or it is not looked for."""
_COMMENT = re.compile(r"\s*(?:#|;|//|--\s|\*\s)")
_START = re.compile(r"\s*(?:-\s+)*[{\"'#;]?\s*\Z|.*[{,]\s*[\"']?\Z")
_AWS = re.compile(r"secret_?access_?key|aws_?secret")
_AWS_VALUE = re.compile(r"[A-Za-z0-9/+]{40}\Z")


class Setting(msgspec.Struct, frozen=True):
    """A secret setting, and where its value is in the line."""

    kind: str
    name: str
    start: int
    end: int


def settings_in(line: str, style: Style) -> Iterator[Setting]:
    """The settings in a line that are secret by their name, and whose value does not tell otherwise."""
    comment = _COMMENT.match(line) is not None
    at = 0
    while named := _NAME.search(line, at):
        at = named.end()
        if _strength(named["name"]) is Telling.NOTHING:
            continue
        match = _VALUE.match(line, at)
        group = match.lastgroup if match else None
        if match is None or group is None or (group == "bare" and not _may_be_bare(line, named, match, style)):
            continue
        found = _judged(line, named["name"], match, group, style, comment=comment)
        yield from found
        if found or group == "bare":
            # Another name in the value is a part of it; but for one behind a comma, if the value is no secret.
            comma = -1 if found else line.find(",", match.start(group), match.end(group))
            at = match.end(group) if comma < 0 else comma
    for form, word, styles in _FORMS:
        for match in form.finditer(line) if style in styles and word in line else ():
            yield from _judged(line, match["name"], match, match.lastgroup or "", style, comment=comment)


def kind_of(name: str, value: str, strength: Telling) -> str:
    """The kind of credential that a setting of a telling name holds; empty if it holds none."""
    found = sealing(value)
    if found is not Sealing.NONE:
        return kinds.FAKE_ENCRYPTED if found is Sealing.FAKE else ""
    if is_harmless(value) or (set(plain_name(value).split("_")) <= set(plain_name(name).split("_"))):
        return ""
    if _AWS.search(plain_name(name)) and _AWS_VALUE.match(value.strip()):
        return kinds.AWS_SECRET
    if strength is Telling.PASSWORD:
        return kinds.PASSWORD
    return kinds.NAMED if is_random(value) else ""


def _strength(name: str) -> Telling:
    above, _, last = name.rpartition(".")
    return telling(last or name, above)


def _may_be_bare(line: str, named: re.Match[str], match: re.Match[str], style: Style) -> bool:
    """Whether a value without quotes is one: not in code; in prose only right after ``=``."""
    spaced = bool(named["gap"]) or match.start("bare") > named.end()
    if named["op"] not in {"=", ":"} or style is Style.CODE:
        return False
    if named["op"] == "=":
        return not spaced or (style is Style.SETTINGS and _START.match(line, 0, named.start()) is not None)
    return style is Style.SETTINGS and spaced and _START.match(line, 0, named.start()) is not None


def _judged(line: str, name: str, match: re.Match[str], group: str, style: Style, *, comment: bool) -> list[Setting]:
    strength = _strength(name)
    if strength is Telling.NOTHING:
        return []
    start, value = match.start(group), match[group]
    if value.startswith("ENC["):
        value = line[start:].partition("]")[0] + "]"
    elif group == "bare":
        value = _trimmed(line[: match.start()], value)
    kind = kind_of(name, value, strength)
    if not kind or (kind == kinds.PASSWORD and not _is_password(value, style, comment=comment)):
        return []
    return [Setting(kind, name, start, start + len(value))]


def _trimmed(before: str, value: str) -> str:
    """Without what ends it in a list or a map."""
    if "{" in before or "[" in before:
        value = re.split(r"[,}\]]", value, maxsplit=1)[0]
    return value.rstrip(",")


def _is_password(value: str, style: Style, *, comment: bool) -> bool:
    """What else a quoted or commented text may be: a message, an identifier."""
    if comment:
        return is_random(value, 8)
    if style is Style.SETTINGS:
        return True
    return " " not in value.strip() and not (is_wordy(value) and value.lower() == value)
