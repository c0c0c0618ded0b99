"""Patterns of repositories: globs over registry and repository, whole or not at all."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def _pieces(pattern: str) -> tuple[str, ...]:
    return tuple(piece for piece in re.split(r"(\*\*|\*)", pattern) if piece)


def matches(pattern: str, name: str) -> bool:
    """Whether a repository, such as ``ghcr.io/acme/app``, is one that the pattern is about.

    ``*`` stays within one part of the path, ``**`` does not. Positions that can be reached are followed piece by piece:
    no pattern takes long, whatever it is.
    """
    reached = {0}
    for piece in _pieces(pattern):
        if piece == "**":
            reached = set(range(min(reached), len(name) + 1))
        elif piece == "*":
            reached = {at for start in reached for at in range(start, _end_of_part(name, start) + 1)}
        else:
            reached = {at + len(piece) for at in reached if name.startswith(piece, at)}
        if not reached:
            return False
    return len(name) in reached


def _end_of_part(name: str, start: int) -> int:
    end = name.find("/", start)
    return len(name) if end < 0 else end
