"""What differs between two runs of the same scene, replaced by values that do not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_RESOURCE_VERSION = re.compile(r'(?<="resourceVersion":")\d+(?=")')

BEFORE = "2026-01-01T08:00:00Z"
"""Times that the old object has already."""
NOW = "2026-01-01T12:00:00Z"
"""Times that came with the request."""


def normalise(review: Json, *, number: int, replace: Iterable[tuple[str, str]], keep: Iterable[str]) -> Json:
    """The review with UIDs and resource versions numbered in order of appearance, and two times instead of many.

    ``number``: the scene's, so that no UID appears in two scenes.
    ``replace``: texts and what becomes of them, such as the namespace that a scene was played in.
    ``keep``: UIDs that are the same in every run.
    """
    old_times = set(_TIME.findall(_dump(review["request"].get("oldObject"))))
    text = _dump(review)
    for old, new in replace:
        text = text.replace(old, new)
    text = _TIME.sub(lambda found: BEFORE if found[0] in old_times else NOW, text)
    text = _numbered(_UUID, text, f"00000000-0000-4000-8{number:03d}-{{:012d}}", frozenset(keep))
    text = _numbered(_RESOURCE_VERSION, text, "10{:02d}", frozenset())
    document: Json = json.loads(text)
    return document


def _numbered(pattern: re.Pattern[str], text: str, template: str, keep: frozenset[str]) -> str:
    numbers: dict[str, str] = {}

    def replacement(found: re.Match[str]) -> str:
        if found[0] in keep:
            return found[0]
        return numbers.setdefault(found[0], template.format(len(numbers) + 1))

    return pattern.sub(replacement, text)


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
