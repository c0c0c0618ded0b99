"""What came of asking a store, in one word: for the audit log and for what is counted. Pure."""

from __future__ import annotations

from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    StoreError,
    ThrottledError,
    UnavailableError,
)

_OUTCOMES: tuple[tuple[type[StoreError], str], ...] = (
    (NotFoundError, "notFound"),
    (ForbiddenError, "forbidden"),
    (ThrottledError, "throttled"),
    (UnavailableError, "unavailable"),
    (MisconfiguredError, "misconfigured"),
)


def outcome_of(error: StoreError) -> str:
    """The word for an error of a store."""
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "unusable")
