"""What one request is judged against, and the three things a guard can answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from gateway.core.finding import Finding
from gateway.core.subject import Subject


class OnError(StrEnum):
    """What an indeterminate guard does to the request. It is always recorded, whatever it does."""

    DENY = "deny"
    ALLOW = "allow"
    WARN = "warn"


class Judged(msgspec.Struct, frozen=True):
    """The guard decided. ``reason`` says in a few words why, for the log: ``not managed``, ``actor is …``."""

    guard: str
    reason: str
    findings: tuple[Finding, ...] = ()


class NotApplicable(msgspec.Struct, frozen=True):
    """The guard has nothing to say about such a request."""

    guard: str
    reason: str


class Indeterminate(msgspec.Struct, frozen=True):
    """The guard could not decide. ``findings`` are those it was sure of all the same. ``would``: what this would do to the
    request if it were enforced, where a mode says that it is not.
    """

    guard: str
    reason: str
    on_error: OnError
    findings: tuple[Finding, ...] = ()
    would: OnError | None = None


Outcome = Judged | NotApplicable | Indeterminate


class Guard(Protocol):
    """A guard: facts are gathered inside :meth:`judge`, the decision itself is a pure function of them."""

    name: str

    def concerns(self, subject: Subject) -> bool:
        """Whether it has anything to say about such a request at all; asked before, and cheap."""
        ...

    def on_error(self, subject: Subject) -> OnError:
        """What is done with this request where the guard cannot decide."""
        ...

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request. Runs under the review's deadline and may be cancelled.

        Raises:
            UndecidedError: a fact that is needed could not be had; becomes :class:`Indeterminate`.
        """
        ...


@runtime_checkable
class HoldsBack(Protocol):
    """A guard with a mode in which it enforces less than it could."""

    def held_back(self, subject: Subject) -> OnError | None:
        """What :meth:`Guard.on_error` would be if the guard enforced; None where it does, or does not look."""
        ...
