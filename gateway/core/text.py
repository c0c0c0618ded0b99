"""What others wrote, so that it can stand in a message."""

from __future__ import annotations

_SHOWN = 200


def shown(text: str) -> str:
    """At most 200 characters, all of them printable."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text[: _SHOWN + 1])
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "…"
