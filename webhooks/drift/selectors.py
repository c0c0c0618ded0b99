"""Selectors that tenants write: label selectors, and patterns that must not be able to hang the gateway.

Python's ``re`` backtracks; what Flux evaluates with Go's RE2 is accepted here only in a form that cannot: literals,
classes, groups of literals, and a few quantifiers on single characters. The rest is undecided, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gateway.core.errors import UndecidedError

MAX_PATTERN_CHARS = 256
MAX_QUANTIFIERS = 4

_ATOM = r"(?:\\[.\-/_$^()\[\]{}|*+?\\dw]|[\w\-/ :]|\.|\[\^?[\w.\-/ ]+\])"
_ALTERNATIVE = rf"(?:{_ATOM}[*+?]?)*"
_GROUP = rf"\((?:\?:)?(?:{_ATOM})*(?:\|(?:{_ATOM})*)*\)"
_SAFE = re.compile(rf"\^?(?:{_GROUP}|{_ATOM}[*+?]?|\|)*\$?")
_REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<no>[\w./-]+)"
    r"|(?P<key>[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<set>in|notin)\s*\((?P<values>[\w.,\s-]*)\))?)\s*\Z"
)


@lru_cache(maxsize=512)
def simple_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled pattern, to be used with ``fullmatch``.

    Raises:
        UndecidedError: it is not of the form that is safe to evaluate.
    """
    quantifiers = len(re.findall(r"[*+?]", pattern))
    if len(pattern) > MAX_PATTERN_CHARS or quantifiers > MAX_QUANTIFIERS or not _SAFE.fullmatch(pattern):
        raise UndecidedError(f"the pattern {pattern[:80]!r} in a selector is not supported here")
    return re.compile(pattern, re.ASCII)


def glob(pattern: str, value: str) -> bool:
    """``*``, ``?`` and ``{a,b}``, over the whole value (Argo CD's project globs). Other patterns match nothing."""
    if len(pattern) > MAX_PATTERN_CHARS or pattern.count("*") > MAX_QUANTIFIERS:
        return False
    text, depth = "", 0
    for char in pattern:
        depth += {"{": 1, "}": -1}.get(char, 0)
        special = {"*": ".*", "?": ".", "{": "(?:", "}": ")", ",": "|" if depth > 0 else ","}
        text += special.get(char) or re.escape(char)
    try:
        return re.fullmatch(text, value, re.DOTALL) is not None
    except re.error:
        return False


def selects(selector: str, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector in its text form (``a=b,c in (d,e),!f``) selects these labels; empty selects all.

    Raises:
        UndecidedError: the selector is not readable.
    """
    return all(_fits(part, labels, selector) for part in re.split(r",(?![^(]*\))", selector) if selector.strip())


def _fits(part: str, labels: Mapping[str, Any], whole: str) -> bool:
    match = _REQUIREMENT.match(part)
    if match is None:
        raise UndecidedError(f"the selector {whole[:80]!r} is not readable")
    if match["absent"]:
        return match["no"] not in labels
    value = labels.get(match["key"])
    if match["op"]:
        return (value != match["value"]) if match["op"] == "!=" else value == match["value"]
    if match["set"]:
        listed = {item.strip() for item in match["values"].split(",")}
        return (value not in listed) if match["set"] == "notin" else value in listed
    return match["key"] in labels
