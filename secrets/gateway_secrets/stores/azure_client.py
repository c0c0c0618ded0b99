"""Azure's clients of Key Vault and of its tokens, as far as they are used. Nothing else imports them.

They try once: pauses, deadlines and renewing tokens are ours. Their errors become :mod:`.errors`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import CredentialUnavailableError
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.certificates.aio import CertificateClient
from azure.keyvault.keys.aio import KeyClient
from azure.keyvault.secrets.aio import SecretClient

from gateway_secrets.stores.azure_spec import (
    CLIENT_ANNOTATION,
    DEFAULT_AUDIENCE,
    TENANT_ANNOTATION,
    AuthSecret,
    AzureSpec,
)
from gateway_secrets.stores.credentials import Scope
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
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.renewed import Renewed

_SHOWN_CHARACTERS = 200
_MIN_SCRUBBED = 4
_ONCE: dict[str, Any] = {"retry_total": 0, "permit_redirects": False}
_KINDS: dict[int, type[StoreError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.UNAUTHORIZED: ForbiddenError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.TOO_MANY_REQUESTS: ThrottledError,
    HTTPStatus.BAD_REQUEST: MisconfiguredError,
}


class DeletedError(UnusableError):
    """There is a deleted secret of this name, which can be recovered."""


class StaleTokenError(RejectedError):
    """The token is not, or no longer, good: another may be."""


class _Login(msgspec.Struct, frozen=True):
    """``make`` gives a credential of azure-identity; ``hidden`` is shown in no message."""

    make: Callable[..., Any]
    hidden: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "_Login()"


class AzureTokens:
    """One token for all clients of a store, as azure-core wants to be given them: an ``AsyncTokenCredential``."""

    def __init__(self, spec: AzureSpec, scope: Scope, transport: AioHttpTransport) -> None:
        self._spec = spec
        self._scope = scope
        self._transport = transport
        self._scopes: tuple[str, ...] = ()
        self.held = Renewed(self._obtained, told=scope.logged_in)

    async def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """A token that should be good; the options are those of tenants and claims, and the tenant is the manifest's.

        Raises:
            StoreError: it cannot be had.
        """
        self._scopes = scopes
        return await self.held.get()

    def text(self) -> str:
        """The present token, to keep it out of messages."""
        return self.held.present.token if self.held.present is not None else ""

    async def close(self) -> None:
        """As azure-core wants it."""

    async def _obtained(self) -> tuple[AccessToken, float]:
        login = await _login(self._spec, self._scope)
        what = f"{self._scope.label}: a token of Azure"
        try:
            credential = login.make(transport=self._transport, **_ONCE)
            token: AccessToken = await credential.get_token(*self._scopes)
        except CredentialUnavailableError:
            raise MisconfiguredError(f"{what}: govgate has no such identity here") from None
        except ClientAuthenticationError as error:
            raise ForbiddenError(f"{what}: {_shown(error.message, login.hidden)}") from None
        except AzureError as error:
            raise _translated(error, what, login.hidden) from None
        except (ValueError, TypeError):
            raise MisconfiguredError(f"{what}: the credentials are not what Azure takes") from None
        return token, float(token.expires_on)


async def _login(spec: AzureSpec, scope: Scope) -> _Login:
    """Made anew each time, from what is in the Secrets then."""
    given = spec.auth_secret_ref or AuthSecret()
    if spec.auth_type == "ServicePrincipal":
        client = await scope.text(given.client_id)  # type: ignore[arg-type] # checked
        if given.client_secret is not None:
            secret = await scope.text(given.client_secret)
            return _Login(_maker(ClientSecretCredential, spec.tenant_id, client, secret, spec=spec), (secret,))
        pem = await scope.secret(given.client_certificate)  # type: ignore[arg-type] # checked
        return _Login(_maker(CertificateCredential, spec.tenant_id, client, spec=spec, certificate_data=pem))
    if spec.auth_type == "WorkloadIdentity" and spec.service_account_ref is not None:
        return await _by_service_account(spec, scope, given)
    if not scope.cluster_wide:
        raise MisconfiguredError(
            f"{scope.label}: only a ClusterSecretStore reads as govgate itself; a SecretStore needs "
            "serviceAccountRef with authType WorkloadIdentity, or a service principal"
        )
    if spec.auth_type == "ManagedIdentity":
        return _Login(lambda **options: ManagedIdentityCredential(client_id=spec.identity_id or None, **options))
    return _Login(lambda **options: WorkloadIdentityCredential(authority=spec.login, **options))


async def _by_service_account(spec: AzureSpec, scope: Scope, given: AuthSecret) -> _Login:
    account = spec.service_account_ref
    assert account is not None  # noqa: S101 - the caller looked
    annotations = await scope.annotations(account)
    client = await scope.text(given.client_id) if given.client_id is not None else ""
    tenant = await scope.text(given.tenant_id) if given.tenant_id is not None else spec.tenant_id
    client, tenant = client or annotations.get(CLIENT_ANNOTATION, ""), tenant or annotations.get(TENANT_ANNOTATION, "")
    for name, value in ((CLIENT_ANNOTATION, client), (TENANT_ANNOTATION, tenant)):
        if not value:
            raise MisconfiguredError(f"{scope.label}: service account {account.name} has no annotation {name}")
    custom = spec.custom_cloud_config
    audience = custom.audience if custom is not None and custom.audience else DEFAULT_AUDIENCE
    token = await scope.token(account, (audience,))
    return _Login(_maker(ClientAssertionCredential, tenant, client, lambda: token, spec=spec), (token,))


def _maker(kind: Any, *parts: Any, spec: AzureSpec, **options: Any) -> Callable[..., Any]:
    def make(**more: Any) -> Any:
        return kind(*parts, authority=spec.login, disable_instance_discovery=True, **options, **more)

    return make


class _Response(aiohttp.ClientResponse):
    """One that is read only as far as allowed."""

    limit_bytes = 0

    async def read(self) -> bytes:
        if self._body is None:
            body = bytearray()
            async for piece in self.content.iter_any():
                body += piece
                if len(body) > self.limit_bytes:
                    self.close()
                    raise aiohttp.ClientPayloadError("the answer is too large")
            self._body = bytes(body)
            self.release()
        return self._body


class AzureClient:
    """The three clients of one vault, over the same connections."""

    def __init__(self, spec: AzureSpec, scope: Scope, limits: StoreLimits) -> None:
        kind = type("_Bounded", (_Response,), {"limit_bytes": limits.answer_bytes})
        connector = aiohttp.TCPConnector(limit=limits.connections, ssl=ssl.create_default_context())
        self._session = aiohttp.ClientSession(connector=connector, response_class=kind, auto_decompress=True)
        self._transport = AioHttpTransport(session=self._session, session_owner=False)
        self.tokens = AzureTokens(spec, scope, self._transport)
        # In a cloud of one's own, vaults may be at other domains than what their tokens are for.
        options = {
            **_ONCE, "transport": self._transport, "verify_challenge_resource": spec.custom_cloud_config is None,
            "read_timeout": limits.deadline_seconds,
        }  # fmt: skip
        self.secrets = SecretClient(spec.vault_url, self.tokens, **options)  # type: ignore[arg-type] # in essence
        self.keys = KeyClient(spec.vault_url, self.tokens, **options)  # type: ignore[arg-type]
        self.certificates = CertificateClient(spec.vault_url, self.tokens, **options)  # type: ignore[arg-type]

    @asynccontextmanager
    async def translated(self, what: str) -> AsyncIterator[None]:
        """Turns errors of Azure's clients into ours; ``what`` begins each."""
        token = self.tokens.text()
        try:
            yield
        except AzureError as error:
            raise _translated(error, what, (token, self.tokens.text())) from None
        except (ValueError, TypeError, AttributeError, KeyError):
            raise UnavailableError(f"{what}: the answer is not what Key Vault gives") from None

    async def close(self) -> None:
        """Close all connections; calls in progress fail."""
        await self.tokens.close()
        await self._session.close()


def _translated(error: AzureError, what: str, hidden: Sequence[str]) -> StoreError:
    if not isinstance(error, HttpResponseError) or not error.status_code or error.status_code == HTTPStatus.OK:
        return UnavailableError(f"{what}: no usable answer from Azure ({type(error).__name__})")
    told = error.error
    code = str(getattr(told, "code", "") or error.status_code)
    said = str(getattr(told, "message", "") or error.reason or "")
    text = f"{what}: {code} {_shown(said, hidden)}".rstrip()
    if error.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        headers = getattr(error.response, "headers", None) or {}
        after = str(headers.get("Retry-After", ""))
        return ThrottledError(text, retry_after_seconds=float(after) if after.isdigit() else None)
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        return StaleTokenError(text)
    if error.status_code == HTTPStatus.CONFLICT and "deleted" in said.lower():
        return DeletedError(text)
    return _KINDS.get(error.status_code, UnavailableError)(text)


def _shown(said: str, hidden: Sequence[str]) -> str:
    text = " ".join(said.split())
    for value in hidden:
        if len(value) >= _MIN_SCRUBBED:
            text = text.replace(value, "…")
    return text[:_SHOWN_CHARACTERS]
