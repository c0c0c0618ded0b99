"""What provenance counts, and the protocol by which it tells."""

from __future__ import annotations

from typing import Literal, Protocol

from gateway.provenance.oci.errors import Kind

Answer = Literal["ok"] | Kind
Outcome = Literal["satisfied", "refused", "undecided"] | Kind
Event = Literal["hit", "miss", "eviction"]

ERRORS: tuple[Kind, ...] = ("unreachable", "unauthorised", "throttled", "not-found", "malformed", "too-large")


class Meter(Protocol):
    """Is told; keeps nothing of what it was about."""

    def requested(self, answer: Answer) -> None:
        """One HTTP request to a registry or a token server was answered, or was not."""
        ...

    def verified(self, outcome: Outcome, seconds: float) -> None:
        """An artifact was looked up for one policy, in so many seconds: what that says, or the class of the error."""
        ...

    def cached(self, event: Event) -> None:
        """Evidence was there, was not, or had to go for other evidence."""
        ...


class NoMeter:
    """Counts nothing: for commands."""

    def requested(self, answer: Answer) -> None:
        """See :class:`Meter`."""

    def verified(self, outcome: Outcome, seconds: float) -> None:
        """See :class:`Meter`."""

    def cached(self, event: Event) -> None:
        """See :class:`Meter`."""
