"""What can go wrong with a store, told apart by what has to be done about it.

No text holds a secret value, nor any credential: texts name paths, stores and statuses.
"""

from __future__ import annotations

from gateway.core.errors import GovgateError


class StoreError(GovgateError):
    """A store did not give what was asked of it."""


class NotFoundError(StoreError):
    """There is no such secret, version or property; it may come to be."""


class ForbiddenError(StoreError):
    """The store knows who asks and refuses, or does not take the credentials."""


class ThrottledError(StoreError):
    """Too much was asked at a time. ``retry_after_seconds`` is what the store asks for, None if it does not say."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(StoreError):
    """No answer, or one that says that there is none for now: sealed, starting, broken, too late."""


class MisconfiguredError(StoreError):
    """The store's manifest, its credentials or the request cannot work as they are; somebody has to change them."""


class UnusableError(StoreError):
    """What is stored is not what was asked for: not JSON, not base64, not text, too large."""
