"""Whether a store takes its credentials, asked as cheaply as can be: for something that is not there."""

from __future__ import annotations

from collections.abc import Awaitable

from gateway_secrets.stores.errors import ForbiddenError, NotFoundError, RejectedError

PROBE = "govgate-probe"
"""A key that nobody has; if somebody does, what is known of it is read, and thrown away."""


async def probed(ask: Awaitable[object]) -> None:
    """Ask for what is known of :data:`PROBE`. Who was let in, and may not read this key, has credentials all the same.

    Raises:
        StoreError: the store does not answer, or does not take the credentials.
    """
    try:
        await ask
    except RejectedError:
        raise
    except (NotFoundError, ForbiddenError):
        return
