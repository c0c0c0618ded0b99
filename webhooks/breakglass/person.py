"""When two user names are one person's: break-glass takes two people. Pure.

Case, width, composition and characters that nobody sees make no other person; whether two different names are one
person's is for whoever gives them out.
Source: Unicode Standard, section 3.13 (caseless matching of compatibility forms, ``toNFKC_Casefold``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MACHINES = "system:"
"""How the names of Kubernetes' own users and of all service accounts begin: whoever can get a token of one is it."""


def folded(name: str) -> str:
    """The name as it is compared."""
    before, text = "", name
    while text != before:  # a step may give the next one something to do; each makes it shorter or leaves it as it is
        before = text
        text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in {"Cf", "Cc"})
        text = unicodedata.normalize("NFKC", text.casefold()).strip()
    return text


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
