"""Selectors that tenants write: label selectors, and patterns that must not be able to hang the gateway.

Python's ``re`` backtracks; what Flux evaluates with Go's RE2 is accepted here only in a form that cannot: literals,
classes, groups of literals, and few quantifiers on single characters. The rest is undecided, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import product
from typing import Any

from gateway.core.errors import UndecidedError

MAX_PATTERN_CHARS = 256
MAX_SELECTOR_CHARS = 1_024
MAX_QUANTIFIERS = 2
"""Of the unbounded kind, each of which multiplies the work by the length of a name."""
MAX_OPTIONAL = 6

_ATOM = r"(?:\\[.\-/_$^()\[\]{}|*+?\\dw]|[\w\-/ :]|\.|\[\^?[\w.\-/ ]+\])"
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
    unbounded, optional = pattern.count("*") + pattern.count("+"), pattern.count("?")
    too_much = len(pattern) > MAX_PATTERN_CHARS or unbounded > MAX_QUANTIFIERS or optional > MAX_OPTIONAL
    if too_much or not _SAFE.fullmatch(pattern):
        raise UndecidedError(f"the pattern {pattern[:80]!r} in a selector is not supported here")
    return re.compile(pattern, re.ASCII)


def glob(pattern: str, value: str) -> bool:
    """``*``, ``?`` and ``{a,b}``, over the whole value (Argo CD's project globs). Other patterns match nothing."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return False
    # fnmatch's own patterns do not backtrack from one `*` into another; brackets are no classes here.
    return any(fnmatchcase(value, one.replace("[", "[[]")) for one in _alternatives(pattern))


def _alternatives(pattern: str) -> Iterable[str]:
    """The patterns without braces that one with (at most two pairs of) braces stands for; none if it is not readable."""
    parts = re.split(r"\{([^{}]*)\}", pattern)
    if len(parts) > 5 or any("{" in part or "}" in part for part in parts[::2]):  # noqa: PLR2004 - two pairs and what is around
        return ()
    choices = [part.split(",") if at % 2 else [part] for at, part in enumerate(parts)]
    return map("".join, product(*choices))


def selects(selector: str, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector in its text form (``a=b,c in (d,e),!f``) selects these labels; empty selects all.

    Raises:
        UndecidedError: the selector is not readable.
    """
    if len(selector) > MAX_SELECTOR_CHARS:
        raise UndecidedError(f"the selector {selector[:80]!r}… is too long")
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
