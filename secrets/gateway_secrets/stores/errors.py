"""What can go wrong with a store, told apart by what has to be done about it.

No text holds a secret value, nor any credential: texts name paths, stores and statuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.core.errors import GovgateError


class StoreError(GovgateError):
    """A store did not give what was asked of it."""


class NotFoundError(StoreError):
    """There is no such secret, version or property; it may come to be."""


class ForbiddenError(StoreError):
    """The store knows who asks and refuses, or does not take the credentials."""


class RejectedError(ForbiddenError):
    """The credentials are not, or no longer, taken: others may be. That concerns all that is in the store."""


class ThrottledError(StoreError):
    """Too much was asked at a time. ``retry_after_seconds`` is what the store asks for, None if it does not say."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(StoreError):
    """No answer, or one that says that there is none for now: sealed, starting, broken, too late."""


class FailingError(UnavailableError):
    """The server answers, and fails at what was asked: what it asks in turn, a database, may be away. Others may have answers."""


class MisconfiguredError(StoreError):
    """The store's manifest, its credentials or the request cannot work as they are; somebody has to change them."""


class UnreadyError(MisconfiguredError):
    """Credentials cannot be had, or certificates are not trusted. That concerns all that is in the store."""


class ForeignError(MisconfiguredError):
    """What is there was not made by pushing: it is somebody else's, and stays."""


class NoVersionsError(MisconfiguredError):
    """The store keeps no versions, nor anything else about a secret but its value. That concerns all that is in the store."""


class UnusableError(StoreError):
    """What is stored is not what was asked for: not JSON, not base64, not text, too large."""


@contextmanager
def of_login() -> Iterator[None]:
    """What a login finds wrong is wrong with the store as a whole, and says nothing of the secret that was to be read.

    Raises:
        RejectedError: for what is forbidden.
        UnreadyError: for what is misconfigured, or not there.
    """
    try:
        yield
    except (RejectedError, UnreadyError):
        raise
    except ForbiddenError as error:
        raise RejectedError(str(error)) from None
    except (MisconfiguredError, NotFoundError) as error:
        raise UnreadyError(str(error)) from None
