"""The key of the marks on Secrets: in a Secret of the gateway's own namespace, made at first use.

Without the rights to keep one it is made anew by each process: then everything is read once after each start, no more.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os

from gateway.controllers.external.held import SECRETS
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, KubeClient

NAME = "govgate-external-secrets"
FIELD = "mark.key"
KEY_BYTES = 32
_NOT_FOUND, _FORBIDDEN, _CONFLICT = 404, 403, 409
_log = logging.getLogger(__name__)


async def mark_key(client: KubeClient, namespace: str) -> tuple[bytes, str]:
    """The key, and why it is not kept; empty if it is.

    Raises:
        ClusterError: the API server could not be asked, or what it has is no key.
    """
    try:
        return await _kept(client, namespace), ""
    except ApiError as error:
        if error.code not in (_FORBIDDEN, _NOT_FOUND):
            raise
        problem = f"Secret {namespace}/{NAME} cannot be read or made: {error}"
        _log.warning("the key of marks is not kept", extra={"fields": {"problem": problem}})
        return os.urandom(KEY_BYTES), problem


async def _kept(client: KubeClient, namespace: str) -> bytes:
    path = SECRETS.path("v1", namespace, NAME)
    for _ in range(2):
        found = await client.find(path)
        if found is not None:
            return _read(found.get("data") or {}, namespace)
        key = os.urandom(KEY_BYTES)
        secret = {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": namespace},
            "data": {FIELD: base64.b64encode(key).decode()},
        }  # fmt: skip
        try:
            await client.create(SECRETS.path("v1", namespace), secret)
        except ApiError as refused:
            if refused.code != _CONFLICT:
                raise
            continue
        return key
    raise ClusterError(f"Secret {namespace}/{NAME} comes and goes")


def _read(data: dict[str, str], namespace: str) -> bytes:
    try:
        key = base64.b64decode(data.get(FIELD, ""), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ClusterError(f"Secret {namespace}/{NAME} holds no key: delete it, and one is made")
    return key
