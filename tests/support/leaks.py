"""Whether a planted secret is to be found in what a program has said, in any of the guises that it may have there."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

FRAGMENT = 8
"""So many characters of a secret in a row are a leak."""
_PIECE = 1 << 18


def guises(value: str) -> Iterator[tuple[str, int]]:
    """The value as it is, and as it is written in other formats; with each how many of its characters are a leak: no
    more than a fragment of the value comes to."""
    data = value.encode()
    plain = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    for written in (*sorted(plain), quote(value, safe=""), quote_plus(value)):
        yield written, FRAGMENT
    yield data.hex(), 2 * FRAGMENT
    for shift in range(3):  # where it begins in a longer text that was encoded as a whole
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encode(b"\0" * shift + data).decode().rstrip("=")
            yield coded[(0, 2, 3)[shift] : -1], FRAGMENT + 1


def leaks(said: str, values: list[str]) -> list[str]:
    """The fragments of ``values`` that are in ``said``."""
    return Search(values).leaks(said)


class Search:
    """:func:`leaks` in many texts, of many values."""

    def __init__(self, values: Iterable[str]) -> None:
        self._fragments: dict[int, set[str]] = defaultdict(set)
        for value in values:
            for guise, enough in guises(value):
                size = min(enough, len(guise))
                self._fragments[size].update(guise[start : start + size] for start in range(len(guise) - size + 1))

    def leaks(self, said: str) -> list[str]:
        """The fragments that are in ``said``."""
        found: set[str] = set()
        for size, fragments in self._fragments.items():
            for begin in range(0, len(said), _PIECE):
                piece = said[begin : begin + _PIECE + size - 1]
                found |= fragments.intersection(piece[at : at + size] for at in range(len(piece) - size + 1))
        return sorted(found)
