"""Where a store's own credentials come from: Secrets of the cluster, or a folder of files for runs without one.

Which namespace a store may take them from is decided in :class:`Scope`: a SecretStore reaches its own namespace only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube.client import KubeClient
from gateway.kube.errors import ApiError
from gateway.kube.resource import ResourceType
from gateway_secrets.stores.errors import MisconfiguredError, StoreError, UnavailableError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.manifest import CaProvider, Manifest, Selector, ServiceAccount
from gateway_secrets.stores.outcomes import outcome_of
from gateway_secrets.stores.threads import Threads

SECRETS = ResourceType("", ("v1",), "secrets")
CONFIG_MAPS = ResourceType("", ("v1",), "configmaps")
_SERVICE_ACCOUNTS = ResourceType("", ("v1",), "serviceaccounts")
_NOT_FOUND = 404
_REFUSALS = frozenset((401, 403))
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}\Z")
_MAX_FILE_BYTES = 1024 * 1024
_TOKEN_SECONDS = 600


class Credentials(Protocol):
    """What a store may need of its surroundings. All raise :class:`StoreError` only."""

    async def read(self, kind: str, namespace: str, name: str, key: str) -> bytes:
        """One key of a Secret or ConfigMap (``kind``)."""
        ...

    async def token(self, namespace: str, name: str, audiences: Sequence[str]) -> str:
        """A short-lived token of a service account."""
        ...

    async def annotations(self, namespace: str, name: str) -> Mapping[str, str]:
        """The annotations of a service account: clouds are told there who it is to them."""
        ...


class NoCredentials:
    """For runs with neither a cluster nor a folder: says what to do."""

    async def read(self, kind: str, namespace: str, name: str, key: str) -> bytes:
        raise MisconfiguredError(
            f"{kind} {namespace}/{name}: not connected to a cluster; set cluster.connect in the configuration, "
            f"or name a folder that holds {name}/{key}"
        )

    async def token(self, namespace: str, name: str, audiences: Sequence[str]) -> str:  # noqa: ARG002 - the protocol's
        raise MisconfiguredError(
            f"service account {namespace}/{name}: not connected to a cluster that could give a token"
        )

    async def annotations(self, namespace: str, name: str) -> Mapping[str, str]:
        raise MisconfiguredError(f"service account {namespace}/{name}: not connected to a cluster that has it")


class FolderCredentials(NoCredentials):
    """Files ``<folder>/[<namespace>/]<name>/<key>``, as Secrets are mounted into pods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, kind: str, namespace: str, name: str, key: str) -> bytes:
        if not all(_NAME.match(part) for part in (namespace, name, key)):
            raise MisconfiguredError(f"{kind} {namespace}/{name}: {key!r} is no name of a file")
        for path in (self._folder / namespace / name / key, self._folder / name / key):
            try:
                with path.open("rb") as file:
                    data = file.read(_MAX_FILE_BYTES + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise MisconfiguredError(f"cannot read {path}: {error.strerror}") from None
            if len(data) > _MAX_FILE_BYTES:
                raise MisconfiguredError(f"{path}: larger than {_MAX_FILE_BYTES} bytes")
            return data
        raise MisconfiguredError(f"{kind} {namespace}/{name}: there is no file {self._folder / name / key}")


class KubeCredentials:
    """Secrets, ConfigMaps and tokens of the cluster that ``client`` speaks with."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def read(self, kind: str, namespace: str, name: str, key: str) -> bytes:
        resource = SECRETS if kind == "Secret" else CONFIG_MAPS
        label = f"{kind} {namespace}/{name}"
        try:
            found = await self._client.get(resource.path("v1", namespace, name))
        except ClusterError as error:
            raise _of_cluster(error, label) from None
        value = (found.get("data") or {}).get(key)
        if not isinstance(value, str):
            raise MisconfiguredError(f"{label} has no key {key!r}")
        try:
            return base64.b64decode(value, validate=True) if kind == "Secret" else value.encode()
        except binascii.Error:
            raise MisconfiguredError(f"{label}: key {key!r} is not base64") from None

    async def token(self, namespace: str, name: str, audiences: Sequence[str]) -> str:
        label = f"service account {namespace}/{name}"
        request: Json = {"expirationSeconds": _TOKEN_SECONDS}
        if audiences:
            request["audiences"] = list(audiences)
        body: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request}
        try:
            answer = await self._client.create(f"{_SERVICE_ACCOUNTS.path('v1', namespace, name)}/token", body)
        except ClusterError as error:
            raise _of_cluster(error, label) from None
        token = (answer.get("status") or {}).get("token")
        if not isinstance(token, str) or not token:
            raise UnavailableError(f"{label}: the API server gave no token")
        return token

    async def annotations(self, namespace: str, name: str) -> Mapping[str, str]:
        try:
            found = await self._client.get(_SERVICE_ACCOUNTS.path("v1", namespace, name))
        except ClusterError as error:
            raise _of_cluster(error, f"service account {namespace}/{name}") from None
        return dict((found.get("metadata") or {}).get("annotations") or {})


class Scope:
    """What one store, asked on behalf of one namespace, has of its surroundings: what it may take its credentials from, and
    the threads that it shares with others.
    """

    def __init__(
        self,
        manifest: Manifest,
        credentials: Credentials,
        *,
        namespace: str = "default",
        threads: Threads | None = None,
        label: str = "",
        logins: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``namespace``: of who asks; a store without one in its manifest is taken to be there. ``label``: what to call it.
        ``logins`` is told what came of each login.
        """
        self._credentials = credentials
        self._logins = logins
        self.threads = threads or Threads(StoreLimits().connections)
        self.kind = manifest.kind
        self.name = manifest.metadata.name
        self.label = label or manifest.label
        self.cluster_wide = manifest.kind == "ClusterSecretStore"
        self.namespace = namespace if self.cluster_wide else manifest.metadata.namespace or namespace

    def logged_in(self, error: StoreError | None = None) -> None:
        """Somebody did, or why not."""
        self._logins("answered" if error is None else outcome_of(error))

    async def secret(self, selector: Selector, default_key: str = "") -> bytes:
        """The value that a selector names.

        Raises:
            StoreError: it may not be read, is not there, or cannot be asked for.
        """
        return await self._read("Secret", selector.namespace, selector.name, selector.key or default_key)

    async def text(self, selector: Selector, default_key: str = "") -> str:
        """As :meth:`secret`, a line of text: what surrounds it of white space is left out.

        Raises:
            StoreError: as :meth:`secret`; it is not UTF-8.
        """
        data = await self.secret(selector, default_key)
        try:
            return data.decode().strip()
        except UnicodeDecodeError:
            raise MisconfiguredError(f"{self.label}: Secret {selector.name}, {selector.key}: not UTF-8") from None

    async def config_text(self, selector: Selector) -> str:
        """One key of a ConfigMap.

        Raises:
            StoreError: as :meth:`text`.
        """
        data = await self._read("ConfigMap", selector.namespace, selector.name, selector.key)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise MisconfiguredError(f"{self.label}: ConfigMap {selector.name}, {selector.key}: not UTF-8") from None

    async def ca(self, bundle: bytes, provider: CaProvider | None) -> bytes:
        """The CA certificates (PEM) that are given inline or named; empty if there are none.

        Raises:
            StoreError: as :meth:`secret`.
        """
        if bundle or provider is None:
            return bundle
        return await self._read(provider.type, provider.namespace, provider.name, provider.key or "ca.crt")

    async def token(self, account: ServiceAccount, audiences: Sequence[str] = ()) -> str:
        """A token of a service account, for the audiences that are named there or here.

        Raises:
            StoreError: it may not be had.
        """
        return await self._credentials.token(
            self._allowed(account.namespace), account.name, (*account.audiences, *audiences)
        )

    async def annotations(self, account: ServiceAccount) -> Mapping[str, str]:
        """The annotations of a service account.

        Raises:
            StoreError: they may not be had.
        """
        return await self._credentials.annotations(self._allowed(account.namespace), account.name)

    async def _read(self, kind: str, namespace: str, name: str, key: str) -> bytes:
        if not name or not key:
            raise MisconfiguredError(f"{self.label}: a reference to a {kind} lacks its {'key' if name else 'name'}")
        return await self._credentials.read(kind, self._allowed(namespace), name, key)

    def _allowed(self, namespace: str) -> str:
        if namespace and not self.cluster_wide and namespace != self.namespace:
            raise MisconfiguredError(
                f"{self.label}: refers to namespace {namespace}; a SecretStore may use its own, {self.namespace}, only"
            )
        return namespace or self.namespace


def _of_cluster(error: ClusterError, label: str) -> StoreError:
    """Credentials that are not there have to be put there: that is not the error of a secret that is not found."""
    if isinstance(error, ApiError) and error.code == _NOT_FOUND:
        return MisconfiguredError(f"{label} does not exist")
    if isinstance(error, ApiError) and error.code in _REFUSALS:
        return MisconfiguredError(f"{label}: govgate may not read it")
    return UnavailableError(f"{label}: {error}")
