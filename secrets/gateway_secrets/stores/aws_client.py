"""botocore, as far as it is used: requests to services of AWS, in threads. Nothing else imports it.

It tries once: pauses, deadlines and renewing credentials are ours. Its errors become :mod:`.errors`; what AWS says of
one is shown in one line, without the credentials that the request was signed with.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import msgspec
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.threads import StoreThreads

_CONNECT_SECONDS = 5.0
_SHOWN_CHARACTERS = 200
_MIN_SCRUBBED = 4
_ENDPOINTS = {
    "secretsmanager": "AWS_SECRETSMANAGER_ENDPOINT",
    "ssm": "AWS_SSM_ENDPOINT",
    "sts": "AWS_STS_ENDPOINT",
}
"""The variables by which ESO too is told of another address than the region's; botocore's own apply as well."""
_NOT_FOUND = frozenset(("ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"))
_STALE = frozenset((
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
    "InvalidAccessKeyId", "RequestExpired", "InvalidIdentityToken", "IDPRejectedClaim",
))  # fmt: skip
_THROTTLED = frozenset((
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "TooManyUpdates", "PriorRequestNotComplete",
))  # fmt: skip
_FORBIDDEN = _STALE | frozenset((
    "AccessDenied", "AccessDeniedException", "AuthFailure", "UnauthorizedOperation", "NotAuthorized", "OptInRequired",
    "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken", "DecryptionFailure",
))  # fmt: skip

# At DEBUG botocore logs the bodies of answers, which are secrets, and of requests to STS, which are tokens.
logging.getLogger("botocore").setLevel(logging.INFO)


class Keys(msgspec.Struct, frozen=True):
    """What requests are signed with. ``ends`` is seconds since the epoch, None if the keys last. No ``repr`` of them."""

    key_id: str
    secret: str
    session: str = ""
    ends: float | None = None

    def __repr__(self) -> str:
        return "Keys()"

    @property
    def hidden(self) -> tuple[str, ...]:
        """What no message may hold."""
        return (self.key_id, self.secret, self.session)


class StaleKeysError(RejectedError):
    """The credentials are not, or no longer, good: others may be."""


class AwsClient:
    """One service in one region, as who has the keys; connections are kept open. Threads are the owner's."""

    def __init__(
        self, session: Session, service: str, region: str, keys: Keys | None, *, limits: StoreLimits,
        threads: StoreThreads,
    ) -> None:  # fmt: skip
        """Slow: reads the description of the service. Without ``keys`` requests are not signed."""
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=limits.deadline_seconds,
            max_pool_connections=limits.connections,
            tcp_keepalive=True,
            **({} if keys else {"signature_version": UNSIGNED}),
        )
        signed = {
            "aws_access_key_id": keys.key_id,
            "aws_secret_access_key": keys.secret,
            "aws_session_token": keys.session or None,
        } if keys else {}  # fmt: skip
        self.keys = keys
        self._hidden = keys.hidden if keys else ()
        self._threads = threads
        try:
            self._client = session.create_client(
                service, region, endpoint_url=os.environ.get(_ENDPOINTS[service]) or None, config=config, **signed
            )
        except (BotoCoreError, ValueError) as error:
            raise MisconfiguredError(f"AWS {service} in {region!r}: {str(error)[:_SHOWN_CHARACTERS]}") from None

    async def call(self, operation: str, *, what: str, hidden: Sequence[str] = (), **parameters: Any) -> dict[str, Any]:
        """The answer of one operation. ``what`` begins every error; ``hidden`` is shown in none.

        Raises:
            StoreError: AWS refused, failed, or was not reached.
        """
        ask = partial(getattr(self._client, operation), **parameters)
        answer: dict[str, Any] = await _translated(self._threads, ask, what=what, hidden=(*self._hidden, *hidden))
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


async def own_keys(threads: StoreThreads) -> Keys:
    """The identity that the process itself has, from where AWS's programs look for it.

    Raises:
        StoreError: there is none, or it cannot be had.
    """

    def found() -> Keys:
        credentials = new_session().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        frozen = credentials.get_frozen_credentials()
        expiry = getattr(credentials, "_expiry_time", None)
        ends = expiry.timestamp() if isinstance(expiry, datetime) else None
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or "", ends)

    keys: Keys = await _translated(threads, found, what="the identity of govgate itself", hidden=())
    return keys


def keys_of(answer: Mapping[str, Any]) -> Keys:
    """The temporary keys in an answer of STS.

    Raises:
        UnavailableError: there are none.
    """
    try:
        given = answer["Credentials"]
        return Keys(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"].timestamp()
        )
    except (KeyError, TypeError, AttributeError):
        raise UnavailableError("assuming a role: the answer of STS holds no credentials") from None


def rfc3339(moment: Any) -> str:
    """A time of an answer; empty if there is none."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(moment, datetime) else ""


def tags_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """The tags in an answer."""
    return {str(tag["Key"]): str(tag.get("Value") or "") for tag in answer.get("Tags") or answer.get("TagList") or []}


def new_session() -> Session:
    """What clients are made from, one at a time. Descriptions of services are read once in a process: that is slow."""
    session = Session(session_vars={"metadata_service_num_attempts": (None, None, 1, None)})
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Loader:
    return create_loader()


async def _translated(threads: StoreThreads, ask: Callable[[], Any], *, what: str, hidden: Sequence[str]) -> Any:
    try:
        return await threads.run(ask)
    except ClientError as error:
        raise _of_service(error.response, what, hidden) from None
    except ParamValidationError:
        # Its text holds the parameters, and one of them may be a value.
        raise MisconfiguredError(f"{what}: a name or a field is nothing that AWS takes") from None
    except (NoCredentialsError, PartialCredentialsError):
        raise MisconfiguredError(f"{what}: there are no AWS credentials") from None
    except SSLError:
        raise UnreadyError(f"{what}: TLS with AWS: its certificate is not trusted") from None
    except EndpointConnectionError as error:
        raise UnavailableError(f"{what}: {error.kwargs.get('endpoint_url')} cannot be reached") from None
    except (HTTPClientError, BotoCoreError) as error:
        raise UnavailableError(f"{what}: no usable answer from AWS ({type(error).__name__})") from None
    except (UnicodeError, ValueError):
        raise MisconfiguredError(f"{what}: a credential or an address is nothing that HTTP carries") from None


def _of_service(response: Mapping[str, Any], what: str, hidden: Sequence[str]) -> StoreError:
    error = response.get("Error") or {}
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    code = str(error.get("Code") or "")
    return error_of(code, str(error.get("Message") or ""), what=what, status=status, hidden=hidden)


def error_of(code: str, said: str, *, what: str, status: int = 0, hidden: Sequence[str] = ()) -> StoreError:
    """The error of ours for a code of AWS. ``said`` is shown, shortened and without ``hidden``."""
    text = f"{what}: {code} {_shown(said, hidden)}".rstrip()
    if code in _NOT_FOUND or (code == "InvalidRequestException" and " marked " in said):
        return NotFoundError(text)
    if code in _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(text)
    if code in _FORBIDDEN or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return (StaleKeysError if code in _STALE else ForbiddenError)(text)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code.startswith(("Internal", "ServiceUnavailable")):
        return UnavailableError(text)
    return MisconfiguredError(text)


def _shown(said: str, hidden: Sequence[str]) -> str:
    text = " ".join(said.split())
    for value in hidden:
        if len(value) >= _MIN_SCRUBBED:
            text = text.replace(value, "…")
    return text[:_SHOWN_CHARACTERS]
