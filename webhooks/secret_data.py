"""Secrets of the cluster, read when they are needed: what they hold, or why that cannot be told. No error quotes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import quote

from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import Json
from gateway.kube import KubeClient
from webhooks.sources.fetch import section

Data = Mapping[str, bytes]


async def secret_data(client: KubeClient, namespace: str, name: str, *, what: str) -> Data | None:
    """What a Secret holds; None if there is none. ``what`` it is for begins the errors.

    Raises:
        UndecidedError: it cannot be read.
    """
    secret = await read_object(client, "secrets", namespace, name, what=what)
    return None if secret is None else decoded(secret, f"{what} {namespace}/{name}")


async def read_object(client: KubeClient, plural: str, namespace: str, name: str, *, what: str) -> Json | None:
    """An object of the core group; None if there is none.

    Raises:
        UndecidedError: it cannot be read.
    """
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}/{quote(name, safe='')}"
    try:
        return await client.find(path)
    except ClusterError as error:
        raise UndecidedError(f"{what} {namespace}/{name}: {error}") from None


def decoded(secret: Json, where: str) -> Data:
    """What a Secret object holds.

    Raises:
        UndecidedError: it is no Secret.
    """
    try:
        return {str(key): base64.b64decode(value, validate=True) for key, value in section(secret, "data").items()}
    except (binascii.Error, TypeError, ValueError):
        raise UndecidedError(f"{where}: not as Secrets are") from None
