"""Secrets of another namespace, or of another cluster."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube.client import KubeClient, connect_with
from gateway.kube.errors import ApiError, ResponseTooLargeError
from gateway_secrets.stores.credentials import SECRETS, Scope
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnusableError,
    of_login,
)
from gateway_secrets.stores.kubernetes_spec import KubernetesSpec, encoded, kubeconfig, parse_spec, sanitised
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.values import fields_of, go_json, matching_names

_PAGE_OBJECTS = 100
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ATTEMPTS = 4
_CONFLICTS = frozenset((HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
_KINDS: dict[int, type[StoreError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.UNAUTHORIZED: RejectedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
}


async def open_store(document: Any, scope: Scope, limits: StoreLimits) -> KubernetesStore:
    """A store of ``spec.provider.kubernetes``; sends nothing yet, but for its credentials.

    Raises:
        MisconfiguredError: the manifest is wrong.
    """
    return KubernetesStore(parse_spec(document, where=f"{scope.label}: spec.provider.kubernetes"), scope, limits)


class KubernetesStore:
    """See the module. The provider's version of a Secret is its resourceVersion; older ones are not kept."""

    provider = "kubernetes"

    def __init__(self, spec: KubernetesSpec, scope: Scope, limits: StoreLimits) -> None:
        self._spec = spec
        self._scope = scope
        self._limits = limits
        self._turns = Turns(limits)
        self._client: KubeClient | None = None
        self._connecting = asyncio.Lock()

    async def read(self, key: str, version: str, *, within: float) -> Payload:  # noqa: ARG002 - the reader's deadline
        found = await self._secret(key)
        metadata = found.get("metadata") or {}
        current = str(metadata.get("resourceVersion") or "")
        if version and version != current:
            raise NotFoundError(f"{key}: has no version {version!r}; Kubernetes keeps the newest one only, {current}")
        fields = {name: _decoded(value, key, name) for name, value in (found.get("data") or {}).items()}
        try:
            whole = go_json({name: value.decode() for name, value in fields.items()}, html=False)
        except UnicodeDecodeError:
            whole = None
        return Payload(whole, fields, "field", current, str(metadata.get("creationTimestamp") or ""))

    async def describe(self, key: str, *, within: float) -> Metadata:  # noqa: ARG002
        metadata = (await self._secret(key)).get("metadata") or {}
        document = {name: metadata.get(name) or {} for name in ("labels", "annotations")}
        created = str(metadata.get("creationTimestamp") or "")
        return Metadata(str(metadata.get("resourceVersion") or ""), created, document)

    async def find(self, find: Find, *, within: float) -> Sequence[str]:  # noqa: ARG002
        query = {"limit": str(_PAGE_OBJECTS)}
        if find.tags:
            query["labelSelector"] = ",".join(f"{name}={value}" for name, value in sorted(find.tags.items()))
        names: list[str] = []
        while True:
            page = await self._get(SECRETS.path("v1", self._spec.remote_namespace), "searching", query)
            names += [str(item["metadata"]["name"]) for item in page.get("items") or []]
            if len(names) > self._limits.found_secrets:
                raise UnusableError(f"more than {self._limits.found_secrets} secrets are there: narrow the search")
            query["continue"] = str((page.get("metadata") or {}).get("continue") or "")
            if not query["continue"]:
                break
        return matching_names(find.name, names)

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        members = _members(name, value, key)
        found = await self._changed(key, lambda data: {**data, **members} if name else members, within)
        return str((found.get("metadata") or {}).get("resourceVersion") or "")

    async def remove(self, key: str, name: str, *, within: float) -> None:
        await self._changed(key, lambda data: {k: v for k, v in data.items() if name and k != name}, within)

    async def check(self, *, within: float) -> None:  # noqa: ARG002
        # Whoever is somebody may ask what he may do; who is nobody may not.
        attributes = {"namespace": self._spec.remote_namespace, "resource": "secrets", "verb": "get"}
        try:
            await (await self._connected()).create(_REVIEWS, {"spec": {"resourceAttributes": attributes}})
        except ClusterError as error:
            with of_login():
                raise _translated(error, "logging in") from None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _changed(self, key: str, change: Callable[[Json], Json], within: float) -> Json:
        """The Secret, with changed data if they differ: of the version that was seen, and else from anew."""
        ends = time.monotonic() + within
        for _ in range(_ATTEMPTS):
            try:
                found: Json = await self._secret(key)
            except NotFoundError:
                found = {}
            old = found.get("data") or {}
            new = change(old)
            if new == old:
                return found
            try:
                return await self._stored(key, found, new)
            except ApiError as error:
                if error.code not in _CONFLICTS:
                    raise _translated(error, key) from None
            except ClusterError as error:
                raise _translated(error, key) from None
            await self._turns.left(ends)
        raise UnavailableError(f"{key}: others write to this Secret all the time")

    async def _stored(self, key: str, found: Json, data: Json) -> Json:
        client = await self._connected()
        path = SECRETS.path("v1", self._spec.remote_namespace)
        if not found:
            secret: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": key}, "data": data}
            return await client.create(path, secret)
        if data:
            return await client.replace(f"{path}/{key}", {**found, "data": data})
        seen = {name: found["metadata"][name] for name in ("uid", "resourceVersion")}
        await client.delete(f"{path}/{key}", only=seen)
        return {}

    async def _connected(self) -> KubeClient:
        async with self._connecting:
            if self._client is None:
                self._client = await connect_with(self._credentials)
        return self._client

    async def _secret(self, key: str) -> Json:
        if not key or quote(key, safe="") != key or key in (".", ".."):
            raise MisconfiguredError(f"{key!r} is no name of a Secret")
        return await self._get(SECRETS.path("v1", self._spec.remote_namespace, key), key)

    async def _get(self, path: str, what: str, query: dict[str, str] | None = None) -> Json:
        try:
            return await (await self._connected()).get(path, query)
        except ClusterError as error:
            raise _translated(error, what) from None

    async def _credentials(self) -> Json:
        with of_login():
            return await self._kubeconfig()

    async def _kubeconfig(self) -> Json:
        spec, scope = self._spec, self._scope
        if spec.auth_ref is not None:
            return sanitised(await scope.secret(spec.auth_ref), where=f"{scope.label}: authRef")
        cluster: Json = {"server": spec.server.url}
        ca = await scope.ca(spec.server.ca_bundle, spec.server.ca_provider)
        if ca:
            cluster["certificate-authority-data"] = encoded(ca)
        auth = spec.auth
        if auth is not None and auth.token is not None:
            return kubeconfig(cluster, {"token": await scope.text(auth.token.bearer_token)})
        if auth is not None and auth.service_account is not None:
            return kubeconfig(cluster, {"token": await scope.token(auth.service_account)})
        if auth is not None and auth.cert is not None:
            certificate, key = await scope.secret(auth.cert.client_cert), await scope.secret(auth.cert.client_key)
            user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
            return kubeconfig(cluster, user)
        raise MisconfiguredError(f"{scope.label}: no credentials")


def _members(name: str, value: bytes, key: str) -> Json:
    """What is to be in ``data``: one key, or all those of a JSON object."""
    given = {name: value} if name else fields_of(value)
    if not given:
        raise UnusableError(f"{key}: name a property, or give a JSON object: a Secret holds keys and values")
    return {member: encoded(content) for member, content in given.items()}


def _decoded(value: Any, key: str, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError):
        raise UnavailableError(f"{key}: {name}: the API server's answer is not base64") from None


def _translated(error: ClusterError, what: str) -> StoreError:
    if isinstance(error, ResponseTooLargeError):
        return UnusableError(f"{what}: {error}")
    if not isinstance(error, ApiError):
        return UnavailableError(f"{what}: {error}")
    text = f"{what}: {error}"
    if error.code == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(text, retry_after_seconds=error.retry_after_seconds)
    if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(text)
    return _KINDS.get(error.code, MisconfiguredError)(text)
