"""Credentials that the judged objects name: pull secrets, read from the cluster when they are needed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import quote

from gateway.core.errors import ClusterError, ConfigError, UndecidedError
from gateway.kube import KubeClient
from gateway.kube.errors import ApiError
from gateway.provenance.oci.credentials import Chain, DockerConfig, Keychain
from webhooks.sources.fetch import section, text

_NOT_FOUND = 404
_KEY = ".dockerconfigjson"
_MAX_SECRETS = 10


class PullSecrets:
    """Reads Secrets of the type ``kubernetes.io/dockerconfigjson``. No helper program that one names is ever run."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def __call__(self, namespace: str, names: Sequence[str]) -> Keychain | None:
        """The credentials in these Secrets, the first that has some taken; None if none of them is there.

        Raises:
            UndecidedError: one cannot be read, or is something else. The text quotes nothing of it.
        """
        if len(names) > _MAX_SECRETS:
            raise UndecidedError(f"more than {_MAX_SECRETS} pull secrets are named")
        chains = [found for name in dict.fromkeys(names) if (found := await self._one(namespace, name)) is not None]
        return Chain(chains) if chains else None

    async def _one(self, namespace: str, name: str) -> Keychain | None:
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"
        try:
            secret = await self._client.get(path)
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            raise UndecidedError(f"pull secret {namespace}/{name}: {error}") from None
        except ClusterError as error:
            raise UndecidedError(f"pull secret {namespace}/{name}: {error}") from None
        encoded = text(section(secret, "data").get(_KEY))
        if not encoded:
            return None
        try:
            return DockerConfig(base64.b64decode(encoded), source=f"Secret {namespace}/{name}", helpers=False)
        except (binascii.Error, ConfigError):
            raise UndecidedError(f"pull secret {namespace}/{name}: not a Docker configuration") from None
