"""Secret values that tests plant, known to them by words: what no program may say anywhere, while tests read as before.

A planted value is the word, and behind it characters that nothing else writes: punctuation in every eight of them, so
that no digest and no encoded certificate comes near; quotes, backslash and ampersand, so that encodings differ.
"""

from __future__ import annotations

import random
import string
from itertools import count
from typing import Any

_ALPHABET = string.ascii_letters + string.digits
_RARE = '~^"&\\;'
_GROUPS = 6


class Plain(str):
    """A text that is stored as it is, since it is to become something public: a label, a user's name."""

    __slots__ = ()


class Planted:
    """The values of one run of tests."""

    def __init__(self) -> None:
        self._random = random.Random(20261126)  # noqa: S311 - the same ones each run
        self._value_of: dict[str, str] = {}
        self._number = count(1)
        self.tails: list[str] = []

    def plant(self, word: str) -> str:
        """The value that stands for a word, the same each time."""
        if word not in self._value_of:
            groups = ("".join(self._random.choices(_ALPHABET, k=5)) + rare for rare in _RARE[:_GROUPS])
            tail = "~" + "".join(groups)
            self._value_of[word] = word + tail
            self.tails.append(tail)
        return self._value_of[word]

    def reveal(self, text: str) -> str:
        """The text with words for values, as the test wrote it."""
        for tail in self.tails:
            text = text.replace(tail, "")
        return text

    def plant_all(self, data: dict[str, Any]) -> dict[str, Any]:
        """Every text among the values planted, but for plain ones."""
        return {key: self.plant(value) if _is_secret(value) else value for key, value in data.items()}

    def reveal_all(self, data: dict[str, Any]) -> dict[str, Any]:
        """Every text among the values revealed."""
        return {key: self.reveal(value) if isinstance(value, str) else value for key, value in data.items()}


def _is_secret(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Plain)


PLANTED = Planted()
"""Those of this process: tests that share a cluster share it."""
