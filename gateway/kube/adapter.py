"""The official client, as far as it is used: where the cluster is, how to authenticate, and the HTTP session.

Importing it costs 0.4 s and 20 MiB; nothing but :func:`gateway.kube.client.connect` imports this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import (
    KUBE_CONFIG_DEFAULT_LOCATION,
    ConfigException,
    load_kube_config,
    load_kube_config_from_dict,
)
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from gateway.core.errors import ClusterError
from gateway.core.subject import Json

CONNECTIONS = 64
"""At most this many connections to the API server: each watch holds one (HTTP/1.1)."""


class Session:
    """One set of credentials, and the connections that use them."""

    def __init__(self, configuration: Any, user_agent: str) -> None:
        configuration.connection_pool_maxsize = CONNECTIONS
        self._api = ApiClient(configuration)
        self._user_agent = user_agent

    async def send(
        self,
        method: str,
        path: str,
        within: aiohttp.ClientTimeout,
        document: Json | None = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
    ) -> aiohttp.ClientResponse:
        """Send one request; the response's body is still to be read. ``path`` includes the query."""
        headers = {"Accept": accept, "User-Agent": self._user_agent}
        if document is not None:
            headers["Content-Type"] = content_type
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, document)
        url = self._api.configuration.host.rstrip("/") + path
        answer = await self._api.rest_client.request(
            method, url, headers=headers, body=document, _request_timeout=within
        )
        response: aiohttp.ClientResponse = answer.response
        return response

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()


async def from_kubeconfig(path: str, context: str, user_agent: str) -> Session:
    """As ``kubectl`` would connect: ``path``, else ``KUBECONFIG``, else ``~/.kube/config``.

    Raises:
        ClusterError: there is no such file or context, or its credentials cannot be had.
    """
    configuration = Configuration()
    # The library reads the variable once, when it is imported.
    file = path or os.environ.get("KUBECONFIG") or None
    try:
        _be_there(file or KUBE_CONFIG_DEFAULT_LOCATION)
        await load_kube_config(
            config_file=file, context=context or None, client_configuration=configuration, persist_config=False
        )
        return Session(configuration, user_agent)
    except Exception as error:  # the loader raises what YAML, ssl, exec plugins and OIDC raise
        raise ClusterError(f"kubeconfig: {_one_line(error)}") from error


def _be_there(files: str) -> None:
    """Raise for files, separated as ``KUBECONFIG`` is, of which there is none: the library prints that, and goes on."""
    places = [Path(one).expanduser() for one in files.split(os.pathsep) if one]
    if not any(place.exists() for place in places):
        raise ConfigException(f"there is no {os.pathsep.join(map(str, places))}")


async def from_document(document: Json, user_agent: str) -> Session:
    """As a kubeconfig says that was made here: whoever wrote one may have programs run and files read by it.

    Raises:
        ClusterError: it cannot be used; its values are not shown.
    """
    configuration = Configuration()
    try:
        await load_kube_config_from_dict(document, client_configuration=configuration)
        return Session(configuration, user_agent)
    except Exception as error:  # noqa: BLE001 - as above; the text may show what was given, and is left out
        raise ClusterError(f"credentials cannot be used: {type(error).__name__}") from None


def from_service_account(directory: Path, user_agent: str) -> Session:
    """As the pod's service account. The token is read again every minute: kubelet rotates it.

    Raises:
        ClusterError: this is not a pod with a service account.
    """
    configuration = Configuration()
    try:
        InClusterConfigLoader(str(directory / "token"), str(directory / "ca.crt")).load_and_set(configuration)
        return Session(configuration, user_agent)
    except (ConfigException, OSError) as error:
        raise ClusterError(f"service account: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
