"""Why something could not be read from a registry, by class. None of them means "unsigned"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from gateway.core.errors import GovgateError, UndecidedError

if TYPE_CHECKING:
    from gateway.provenance.oci.manifest import Descriptor

Kind = Literal["unreachable", "unauthorised", "throttled", "not-found", "malformed", "too-large"]


class BadReferenceError(GovgateError):
    """The text is no reference to an artifact; says why."""


class RegistryError(UndecidedError):
    """Something could not be read; ``kind`` is its class, ``transient`` whether it may be otherwise soon."""

    kind: ClassVar[Kind]
    transient: ClassVar[bool] = False


class UnreachableError(RegistryError):
    """No answer, an answer that was cut short, or a server error (5xx)."""

    kind = "unreachable"
    transient = True


class UnauthorisedError(RegistryError):
    """The registry wants (other) credentials, or does not say where to get a token."""

    kind = "unauthorised"


class ThrottledError(RegistryError):
    """The registry asks for patience, and for more of it than there is time."""

    kind = "throttled"
    transient = True


class NotFoundError(RegistryError):
    """The registry answers, and has no such thing."""

    kind = "not-found"


class MalformedError(RegistryError):
    """What came is not what was asked for: another digest, not a manifest, a redirect that leads nowhere."""

    kind = "malformed"


class TooLargeError(RegistryError):
    """More than govgate reads: of one body, of one list, of requests for one artifact."""

    kind = "too-large"


class BudgetError(TooLargeError):
    """One artifact's verification would take more requests than it may."""


class UnfinishedListError(TooLargeError):
    """A list of referrers has more pages than govgate reads; ``found`` is what those say that it did read."""

    def __init__(self, message: str, found: Sequence[Descriptor] = ()) -> None:
        super().__init__(message)
        self.found = tuple(found)
