"""Credentials that the judged objects name: pull secrets, read from the cluster when they are needed."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.errors import ConfigError, UndecidedError
from gateway.kube import KubeClient
from gateway.provenance.oci.credentials import Chain, DockerConfig, Keychain
from webhooks.secret_data import Data, secret_data

_WHAT = "pull secret"
_MAX_SECRETS = 32


class PullSecrets:
    """Reads Secrets of the types ``kubernetes.io/dockerconfigjson`` and ``dockercfg``. No helper program that one names
    is ever run.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def __call__(self, namespace: str, names: Sequence[str]) -> Keychain | None:
        """The credentials in these Secrets, the first that has some taken; None if none of them is there.

        Raises:
            UndecidedError: one cannot be read, or is something else. The text quotes nothing of it.
        """
        check_count(names)
        chains = [found for name in dict.fromkeys(names) if (found := await self._one(namespace, name)) is not None]
        return Chain(chains) if chains else None

    async def _one(self, namespace: str, name: str) -> Keychain | None:
        data = await secret_data(self._client, namespace, name, what=_WHAT)
        return None if data is None else docker_config(data, f"Secret {namespace}/{name}")


def check_count(names: Sequence[str]) -> None:
    """That there are not too many of them.

    Raises:
        UndecidedError: there are.
    """
    if len(names) > _MAX_SECRETS:
        raise UndecidedError(f"more than {_MAX_SECRETS} pull secrets are named")


def docker_config(data: Data, source: str) -> Keychain | None:
    """The credentials in a pull secret; None if it is something else.

    Raises:
        UndecidedError: it is one, and cannot be used.
    """
    found = data.get(".dockerconfigjson", b"")
    if not found and data.get(".dockercfg"):
        found = b'{"auths":' + data[".dockercfg"] + b"}"
    if not found:
        return None
    try:
        return DockerConfig(found, source=source, helpers=False)
    except ConfigError:
        raise UndecidedError(f"{_WHAT} {source.removeprefix('Secret ')}: not a Docker configuration") from None
