"""Whether a planted secret is to be found in what a program has said, in any of the guises that it may have there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

FRAGMENT = 8
"""So many characters of a secret in a row are a leak."""


def guises(value: str) -> Iterator[str]:
    """The value as it is, and as it is written in other formats."""
    data = value.encode()
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
    yield data.hex()
    for shift in range(3):  # where it begins in a longer text that was encoded as a whole
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encode(b"\0" * shift + data).decode().rstrip("=")
            yield coded[(0, 2, 3)[shift] : -1]


def leaks(said: str, values: list[str]) -> list[str]:
    """The fragments of ``values`` that are in ``said``."""
    found = set()
    for value in values:
        for guise in guises(value):
            for start in range(max(1, len(guise) - FRAGMENT + 1)):
                fragment = guise[start : start + FRAGMENT]
                if fragment in said:
                    found.add(fragment)
    return sorted(found)
