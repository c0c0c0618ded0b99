"""Why a candidate is not accepted, raised where it is found out and made a Rejected by the caller."""

from __future__ import annotations

from gateway.core.errors import GovgateError
from gateway.provenance.evidence import Step

_SHOWN = 200


class RefusedError(GovgateError):
    """One candidate, or one authority's look at it, ends here: the step, why, and what a person can do."""

    def __init__(self, step: Step, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.step: Step = step
        self.reason = reason
        self.remedy = remedy


def shown(text: str) -> str:
    """What somebody else wrote, short and printable, so that it can stand in a message."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text[: _SHOWN + 1])
    return printable if len(printable) <= _SHOWN else printable[:_SHOWN] + "…"
