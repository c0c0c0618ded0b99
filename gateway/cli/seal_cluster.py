"""The cluster as ``govgate seal`` finds it: by a kubeconfig, as kubeseal does, or from inside of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from gateway.cli.seal_where import Where
from gateway.config.model import Cluster
from gateway.core.errors import ClusterError
from gateway.kube.client import KubeClient, connect
from gateway.kube.errors import ApiError
from gateway.kube.resource import ResourceType
from gateway_secrets.sealed.keyring import GENERATE_NAME
from gateway_secrets.sealed.scope import KEY_LABEL

SERVICES = ResourceType("", ("v1",), "services")
SECRETS = ResourceType("", ("v1",), "secrets")
_PAGE = 100
_MAX_SECRETS = 10_000

Json = dict[str, Any]


@asynccontextmanager
async def connected(where: Where) -> AsyncIterator[KubeClient]:
    """A connection: by the kubeconfig that is named, else the pod's own, else as kubectl finds one.

    Raises:
        ClusterError: there are no credentials that can be used.
    """
    named = where.kubeconfig or where.context
    client = None if named else await connect(Cluster(connect="auto"))
    if client is None:
        client = await connect(Cluster(connect="kubeconfig", kubeconfig=where.kubeconfig, context=where.context))
    assert client is not None  # noqa: S101 - a kubeconfig makes one, or raises
    try:
        yield client
    finally:
        await client.close()


async def certificate_of(where: Where) -> bytes:
    """What a controller's Service answers for its certificate, through the API server's proxy, as kubeseal asks.

    Raises:
        ClusterError: it cannot be asked, or there is no such Service.
    """
    async with connected(where) as client:
        service = SERVICES.path("v1", where.namespace, where.name)
        try:
            ports = ((await client.get(service)).get("spec") or {}).get("ports") or [{}]
            port = str(ports[0].get("name") or "")
            base = f"{SERVICES.path('v1', where.namespace)}/{quote(f'http:{where.name}:{port}', safe=':')}/proxy"
            return await client.read(f"{base}/v1/cert.pem")
        except ApiError as error:
            which = f"Service {where.namespace}/{where.name}"
            hint = ": --controller-name and --controller-namespace say which one it is, --cert gives a certificate"
            raise ClusterError(f"{which}: {error}{hint}") from None


async def keys_in(client: KubeClient, namespace: str) -> list[Json]:
    """The Secrets of sealing keys: those with the label, whatever it says, and the one that is known by its name.

    Raises:
        ClusterError: they cannot be read, or are more than any controller has.
    """
    query, found = {"limit": str(_PAGE), "labelSelector": KEY_LABEL}, list[Json]()
    while True:
        page = await client.get(SECRETS.path("v1", namespace), query)
        found += page.get("items") or []
        query["continue"] = str((page.get("metadata") or {}).get("continue") or "")
        if len(found) > _MAX_SECRETS:
            raise ClusterError(f"namespace {namespace}: more than {_MAX_SECRETS} sealing keys")
        if not query["continue"]:
            break
    if all(one["metadata"]["name"] != GENERATE_NAME for one in found):
        one = await client.find(SECRETS.path("v1", namespace, GENERATE_NAME))
        found += [one] if one is not None else []
    return [{"apiVersion": "v1", "kind": "Secret", **item} for item in found]
