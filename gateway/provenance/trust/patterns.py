"""Patterns of repositories: globs over registry and repository, whole or not at all."""

from __future__ import annotations

import re
from functools import lru_cache

_WILD = {"*": "[^/]*", "**": ".*"}


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """``*`` within one part, ``**`` over any, also over none where it is a whole part: ``ghcr.io/acme/**``."""
    parts = (_WILD.get(piece) or re.escape(piece) for piece in re.split(r"(\*\*|\*)", pattern))
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def matches(pattern: str, name: str) -> bool:
    """Whether a repository, such as ``ghcr.io/acme/app``, is one that the pattern is about."""
    return _compiled(pattern).match(name) is not None
