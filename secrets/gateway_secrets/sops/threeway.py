"""Three-way merge of trees, key by key: what is taken from which side. Pure.

A tree is a mapping of names to trees, or anything else, which is compared as a whole: lists are, too, since nothing tells
which of their items is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any


class Missing(Enum):
    """There is no value at a place."""

    MISSING = "missing"


MISSING = Missing.MISSING


class Take(Enum):
    """Where the value at a place comes from."""

    OURS = "ours"
    THEIRS = "theirs"
    BELOW = "below"
    """Both are mappings: it is decided for each key of them."""
    NEITHER = "neither"
    """Both sides changed it, each in another way."""


def decide(base: Any, ours: Any, theirs: Any) -> Take:
    """What a place gets. Any of the three may be :data:`MISSING`."""
    if theirs in (ours, base):
        return Take.OURS
    if ours == base:
        return Take.THEIRS
    both = isinstance(ours, Mapping) and isinstance(theirs, Mapping)
    return Take.BELOW if both and ours and theirs else Take.NEITHER


def names(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """All names: in the order of ours; each that only theirs has, after the one that it follows there."""
    found = list(ours)
    after = 0
    for name in theirs:
        if name in found:
            after = found.index(name) + 1
        else:
            found.insert(after, name)
            after += 1
    return found


def below(base: Any) -> Mapping[str, Any]:
    """The base of what is in two mappings: empty where it was none."""
    return base if isinstance(base, Mapping) else {}


def merge(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], path: tuple[str, ...] = ()
) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """The merged mapping, and the paths of conflicts, which are left out of it."""
    merged: dict[str, Any] = {}
    conflicts: list[tuple[str, ...]] = []
    for name in names(list(ours), list(theirs)):
        three = (base.get(name, MISSING), ours.get(name, MISSING), theirs.get(name, MISSING))
        taken = decide(*three)
        value = three[1] if taken is Take.OURS else three[2]
        if taken is Take.BELOW:
            value, found = merge(below(three[0]), three[1], three[2], (*path, name))
            conflicts += found
        if taken is Take.NEITHER:
            conflicts.append((*path, name))
        elif value is not MISSING:
            merged[name] = value
    return merged, conflicts
