"""Which values of a SOPS file are encrypted: by the names of the keys that lead to them.

Source: github.com/getsops/sops v3, sops.go, shouldBeEncrypted. Patterns are RE2 there; here only such as both read alike,
and none that can be made to hang, are taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gateway_secrets.sops.documents import Metadata
from gateway_secrets.sops.errors import UnsupportedError

_SIMPLE = re.compile(r"[\w^$()|.\[\]?*+{},/:\\ -]{1,500}\Z", re.ASCII)
_REPEATED_GROUP = re.compile(r"\)[*+?{]|\(\?")
_MAX_REPEATS = 4
_LONGEST = 1000

Encrypted = Callable[[Sequence[str]], bool]


def selection(metadata: Metadata) -> Encrypted:
    """Whether the value at a path is encrypted.

    Raises:
        UnsupportedError: a pattern is one that only the sops program should judge.
    """
    without, only = simple_pattern(metadata.unencrypted_regex), simple_pattern(metadata.encrypted_regex)

    def encrypted(path: Sequence[str]) -> bool:
        found = True
        if metadata.unencrypted_suffix:
            found = not any(name.endswith(metadata.unencrypted_suffix) for name in path)
        if metadata.encrypted_suffix:
            found = any(name.endswith(metadata.encrypted_suffix) for name in path)
        if without is not None and any(without.search(name[:_LONGEST]) for name in path):
            found = False
        if only is not None:
            found = any(only.search(name[:_LONGEST]) for name in path)
        return found

    return encrypted


def simple_pattern(text: str) -> re.Pattern[str] | None:
    """A pattern that Python and Go read alike, and that can not be made to hang; None for none.

    Raises:
        UnsupportedError: it is no such pattern.
    """
    if not text:
        return None
    if not _SIMPLE.match(text) or _REPEATED_GROUP.search(text) or sum(text.count(c) for c in "*+{") > _MAX_REPEATS:
        raise UnsupportedError("a pattern in it is not a simple one")
    try:
        return re.compile(text, re.ASCII)
    except re.error:
        raise UnsupportedError("a pattern in it is not readable") from None
