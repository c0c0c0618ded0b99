"""When two user names are one person's: break-glass takes two people. Pure.

Case, width, composition and characters that nobody sees make no other person; whether two different names are one
person's is for whoever gives them out.
Source: Unicode Standard, section 3.13 (caseless matching of compatibility forms, ``toNFKC_Casefold``), which takes out what has
the property Default_Ignorable_Code_Point (``DerivedCoreProperties.txt``; some of its ranges are not assigned yet).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MACHINES = "system:"
"""How the names of Kubernetes' own users and of all service accounts begin: whoever can get a token of one is it."""

_IGNORABLE = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)


def folded(name: str) -> str:
    """The name as it is compared."""
    before, text = "", name
    while text != before:  # a step may give the next one something to do; each makes it shorter or leaves it as it is
        before = text
        text = "".join(c for c in unicodedata.normalize("NFKC", text) if not _unseen(c))
        text = unicodedata.normalize("NFKC", text.casefold()).strip()
    return text


def _unseen(character: str) -> bool:
    number = ord(character)
    return unicodedata.category(character) in {"Cf", "Cc"} or any(low <= number <= high for low, high in _IGNORABLE)


def same(one: str, other: str) -> bool:
    """Whether both are names of one person."""
    return folded(one) == folded(other)


def among(name: str, names: Iterable[str]) -> bool:
    """Whether one of the names is this person's."""
    wanted = folded(name)
    return any(folded(one) == wanted for one in names)


def machine(name: str) -> bool:
    """Whether it is no person's name."""
    return folded(name).startswith(MACHINES)
