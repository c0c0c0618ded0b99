"""google-auth, as far as it is used: access tokens of Google for one store. Nothing else imports it.

One token for all who read the store: see :mod:`.renewed`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from http import HTTPStatus
from typing import Any

import google.auth
import msgspec
from google.auth import exceptions, identity_pool
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, StoreError, UnavailableError
from gateway_secrets.stores.gcp_spec import (
    GCP_ACCOUNT_ANNOTATION,
    ExternalAccount,
    Federation,
    GcpSpec,
    WorkloadIdentity,
    endpoint,
    external_account,
)
from gateway_secrets.stores.renewed import Renewed

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_REQUEST_SECONDS = 10.0
_METADATA_SECONDS = 3.0
_ERROR_CODE = re.compile(r"Error code ([a-z_]{1,100})\b")
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_METADATA = "http://metadata.google.internal/computeMetadata/v1/"


_Token = tuple[str, float | None]
"""And when it ends, in seconds since the epoch."""


class _Supplier(identity_pool.SubjectTokenSupplier):
    """A token that was had before."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_subject_token(self, context: Any, request: Any) -> str:  # noqa: ARG002 - google-auth's signature
        return self._token


class GcpTokens:
    """See the module."""

    def __init__(self, spec: GcpSpec, scope: Scope) -> None:
        self._spec = spec
        self._scope = scope
        self._threads = scope.threads.of_store(1)
        self.held = Renewed(self._obtained, told=scope.logged_in)

    def close(self) -> None:
        """Forget the token."""
        self._threads.close()

    async def _obtained(self) -> _Token:
        return await self._asked(await self._prepared())

    async def _prepared(self) -> Callable[[], _Token]:
        auth, scope = self._spec.auth, self._scope
        if auth.secret_ref is not None:
            document = _json(await scope.text(auth.secret_ref.secret_access_key), f"{scope.label}: auth.secretRef")
            return partial(_by_json, document, f"{scope.label}: auth.secretRef")
        if auth.workload_identity_federation is not None:
            return await self._federated(auth.workload_identity_federation)
        if auth.workload_identity is not None:
            return await self._by_gke(auth.workload_identity)
        if not scope.cluster_wide:
            raise MisconfiguredError(
                f"{scope.label}: auth is not set; a SecretStore needs credentials of its own, and only a "
                "ClusterSecretStore reads as govgate itself"
            )
        return _own

    async def _federated(self, federation: Federation) -> Callable[[], _Token]:
        scope = self._scope
        where = f"{scope.label}: auth.workloadIdentityFederation"
        if federation.service_account_ref is not None:
            annotations = await scope.annotations(federation.service_account_ref)
            # Without audiences, the one that a provider of Google's takes by default; never that of the API server.
            default = () if federation.service_account_ref.audiences else (f"https:{federation.audience}",)
            token = await scope.token(federation.service_account_ref, default)
            robot = annotations.get(GCP_ACCOUNT_ANNOTATION, "")
            url = f"{endpoint('iamcredentials')}v1/projects/-/serviceAccounts/{robot}:generateAccessToken"
            account = ExternalAccount(federation.audience, _JWT, service_account_impersonation_url=url if robot else "")
            return partial(_exchanged, account, token)
        document = _json(await scope.config_text(federation.cred_config), where)  # type: ignore[arg-type] # one of two
        account = external_account(document, federation, where=where)
        if federation.audience:
            account = msgspec.structs.replace(account, audience=federation.audience)
        return partial(_exchanged, account, "")

    async def _by_gke(self, identity: WorkloadIdentity) -> Callable[[], _Token]:
        project, place, name = identity.cluster_project_id, identity.cluster_location, identity.cluster_name
        if not (project and place and name):
            told = await self._threads.run(_told_by_metadata_server)
            project, place, name = project or told[0], place or told[1], name or told[2]
        pool = f"{project}.svc.id.goog"
        provider = f"https://container.googleapis.com/v1/projects/{project}/locations/{place}/clusters/{name}"
        token = await self._scope.token(identity.service_account_ref, (pool,))
        robot = (await self._scope.annotations(identity.service_account_ref)).get(GCP_ACCOUNT_ANNOTATION, "")
        return partial(_bound, token, f"identitynamespace:{pool}:{provider}", robot)

    async def _asked(self, ask: Callable[[], _Token]) -> _Token:
        what = f"{self._scope.label}: a token of Google"
        try:
            return await self._threads.run(ask)
        except StoreError:
            raise
        except exceptions.DefaultCredentialsError:
            raise MisconfiguredError(f"{what}: govgate has no identity of its own here") from None
        except exceptions.TransportError:
            raise UnavailableError(f"{what}: the address for tokens cannot be reached") from None
        except (exceptions.RefreshError, exceptions.OAuthError) as error:
            kind = UnavailableError if error.retryable else ForbiddenError
            raise kind(f"{what}: refused{_reason(error)}") from None
        except (exceptions.GoogleAuthError, ValueError, TypeError, KeyError):
            raise MisconfiguredError(f"{what}: the credentials are not what Google gives out") from None


def _by_json(document: Any, where: str) -> _Token:
    if not isinstance(document, dict) or document.get("type") != "service_account":
        raise MisconfiguredError(f"{where}: not the JSON of a service account key")
    # Signed here, and sent with each request: nothing has to be asked for a token.
    credentials = service_account.Credentials.from_service_account_info(document, scopes=[_SCOPE])
    return _refreshed(credentials.with_always_use_jwt_access(True))


def _exchanged(account: ExternalAccount, token: str) -> _Token:
    source: dict[str, Any] = (
        {"subject_token_supplier": _Supplier(token)}
        if token
        else {"credential_source": dict(account.credential_source)}
    )
    robot = account.service_account_impersonation_url.rpartition("/")[2]
    return _refreshed(
        identity_pool.Credentials(
            account.audience, account.subject_token_type, token_url=f"{endpoint('sts')}v1/token", scopes=[_SCOPE],
            service_account_impersonation_url=(
                f"{endpoint('iamcredentials')}v1/projects/-/serviceAccounts/{robot}" if robot else None
            ),
            **source,
        )
    )  # fmt: skip


def _bound(token: str, audience: str, robot: str) -> _Token:
    """What GKE binds to a token of its cluster; with a service account of Google's, a token of that."""
    wanted = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": _JWT,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": token,
        "audience": audience,
        "scope": _SCOPE,
    }
    given = _post(f"{endpoint('securetoken')}v1/identitybindingtoken", wanted, "")
    bound, ends = str(given.get("access_token") or ""), time.time() + float(given.get("expires_in") or 0)
    if robot:
        url = f"{endpoint('iamcredentials')}v1/projects/-/serviceAccounts/{robot}:generateAccessToken"
        given = _post(url, {"scope": [_SCOPE]}, bound)
        bound = str(given.get("accessToken") or "")
    if not bound:
        raise UnavailableError("a token of Google: the answer holds none")
    return bound, ends


def _own() -> _Token:
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    return _refreshed(credentials)


def _refreshed(credentials: Any) -> _Token:
    with _requests() as request:
        credentials.refresh(request)
    expiry = credentials.expiry
    return credentials.token, expiry.replace(tzinfo=UTC).timestamp() if expiry else None


def _post(url: str, document: dict[str, Any], token: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    with _requests() as request:
        response = request(url, "POST", json.dumps(document).encode(), headers, _REQUEST_SECONDS)
    if response.status != HTTPStatus.OK:
        kind = UnavailableError if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ForbiddenError
        raise kind(f"a token of Google: refused with {response.status}")
    answer = json.loads(response.data)
    return answer if isinstance(answer, dict) else {}


def _told_by_metadata_server() -> tuple[str, str, str]:
    headers, told = {"Metadata-Flavor": "Google"}, []
    paths = ("project/project-id", "instance/attributes/cluster-location", "instance/attributes/cluster-name")
    with _requests() as request:
        for path in paths:
            try:
                response = request(_METADATA + path, "GET", None, headers, _METADATA_SECONDS)
            except exceptions.TransportError:
                response = None
            if response is None or response.status != HTTPStatus.OK:
                raise MisconfiguredError(
                    "auth.workloadIdentity: set clusterProjectID, clusterLocation and clusterName: this is no GKE"
                )
            told.append(response.data.decode())
    return told[0], told[1], told[2]


@contextmanager
def _requests() -> Iterator[Request]:
    request = Request()
    try:
        yield request
    finally:
        request.session.close()


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise MisconfiguredError(f"{where}: what is there is not JSON") from None


def _reason(error: Exception) -> str:
    """Google's own word for it: the rest of what it says may repeat what was sent."""
    for part in error.args:
        found = _ERROR_CODE.search(part) if isinstance(part, str) else None
        if found is not None:
            return f": {found[1]}"
    return ""
