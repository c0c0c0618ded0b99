"""Google's client of Secret Manager, as far as it is used: calls over one gRPC channel. Nothing else imports it.

It tries once, with a token that is given: pauses, deadlines and tokens are ours. Its errors become :mod:`.errors`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)

from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnusableError,
)
from gateway_secrets.stores.gcp_spec import authority
from gateway_secrets.stores.limits import StoreLimits

_SHOWN_CHARACTERS = 200
_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_NOT_ENABLED = ("DISABLED state", "DESTROYED state")


class TokenRefusedError(RejectedError):
    """The token is not, or no longer, good: another may be."""


class NotEnabledError(NotFoundError):
    """The version is there, and was disabled or destroyed."""


class GcpClient:
    """One channel, kept open; any number of calls at a time."""

    def __init__(self, url: str, limits: StoreLimits) -> None:
        target, roots = authority(url), os.environ.get(_ROOTS)
        try:
            trusted = Path(roots).read_bytes() if roots else None
        except OSError as error:
            raise MisconfiguredError(f"cannot read {roots} ({_ROOTS}): {error.strerror}") from None
        options = [
            ("grpc.max_receive_message_length", limits.answer_bytes),
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(trusted), options=options)
        self._client = SecretManagerServiceAsyncClient(
            transport=SecretManagerServiceGrpcAsyncIOTransport(host=target, channel=self._channel)
        )

    async def call(self, method: str, request: Mapping[str, Any], *, what: str, token: str, within: float) -> Any:
        """The answer to one request. ``what`` begins every error.

        Raises:
            StoreError: Google refused, failed, or was not reached.
        """
        try:
            return await getattr(self._client, method)(
                request=dict(request), retry=None, timeout=within, metadata=_signed(token)
            )
        except exceptions.GoogleAPICallError as error:
            raise _translated(error, what, token) from None
        except (TypeError, ValueError):
            raise MisconfiguredError(f"{what}: a name or a field is nothing that Google takes") from None

    async def pages(self, method: str, request: Mapping[str, Any], *, token: str, within: float) -> AsyncIterator[Any]:
        """The answers to one request that has several.

        Raises:
            StoreError: as :meth:`call`.
        """
        pager = await self.call(method, request, what="searching", token=token, within=within)
        try:
            async for page in pager.pages:
                yield page
        except exceptions.GoogleAPICallError as error:
            raise _translated(error, "searching", token) from None

    async def close(self) -> None:
        """Close the channel; calls in progress fail."""
        await self._channel.close()


def _signed(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def _translated(error: exceptions.GoogleAPICallError, what: str, token: str) -> StoreError:
    said = " ".join(str(error.message).split()).replace(token, "…")[:_SHOWN_CHARACTERS]
    text = f"{what}: {said}"
    if isinstance(error, exceptions.FailedPrecondition) and any(state in said for state in _NOT_ENABLED):
        return NotEnabledError(text)
    for kind, ours in _KINDS:
        if isinstance(error, kind):
            return ours(text)
    return UnavailableError(text)


_KINDS: tuple[tuple[type[Exception], type[StoreError]], ...] = (
    (exceptions.NotFound, NotFoundError),
    (exceptions.Unauthenticated, TokenRefusedError),
    (exceptions.PermissionDenied, ForbiddenError),
    (exceptions.ResourceExhausted, ThrottledError),
    (exceptions.InvalidArgument, MisconfiguredError),
    (exceptions.FailedPrecondition, MisconfiguredError),
    (exceptions.AlreadyExists, UnusableError),
)
"""Whatever else may pass: unavailable, cancelled, too late."""
