"""Which approvals this webhook saw: noted in govgate's own namespace before they are let through.

While the webhook is away, or is not asked, everybody who may write the status of grants can write an approval in
anybody's name. So an approval holds only if it is noted here, where govgate's administrators alone may write
(``doctor`` says who else may). Nothing is taken from a note but that it is there.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube import ApiError, KubeClient
from webhooks.breakglass.grant import Grant

NAME = "govgate-break-glass"
"""Of the ConfigMap."""
KEPT = timedelta(hours=1)
"""How long a note outlives its grant: clocks may differ."""
_MANAGER = "govgate"
_NOT_FOUND = 404
_MAX_REMEMBERED = 1_000


class Notes:
    """The notes in one namespace, one for each grant that was approved."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{NAME}"
        self._remembered: set[str] = set()

    async def write(self, grant: Grant, now: datetime) -> None:
        """Note the approval of the grant; notes of grants that are long over go.

        Raises:
            ClusterError: it could not be noted.
        """
        patch = {"data": {grant.uid: f"{digest_of(grant)} {grant.spec.expires.astimezone(UTC).isoformat()}"}}
        try:
            written = await self._client.merge(self._path, patch)
        except ApiError as error:
            if error.code != _NOT_FOUND:
                raise
            await self._client.apply(self._path, self._empty(), manager=_MANAGER)
            written = await self._client.merge(self._path, patch)
        over = [uid for uid, text in _data(written).items() if _is_over(text, now)]
        if over:
            with contextlib.suppress(ClusterError):  # the next one tidies up
                await self._client.merge(self._path, {"data": dict.fromkeys(over)})

    def remembers(self, grant: Grant) -> bool:
        """Whether the approval of the grant was found among notes before."""
        return digest_of(grant) in self._remembered

    def has(self, grant: Grant, read: Mapping[str, str]) -> bool:
        """Whether the approval of the grant was seen, by notes that were read or before that."""
        if self.remembers(grant):
            return True
        if not noted(grant, read):
            return False
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered.add(digest_of(grant))
        return True

    async def read(self) -> Mapping[str, str]:
        """All notes, by the uids of grants.

        Raises:
            ClusterError: they cannot be read.
        """
        return _data(await self._client.find(self._path) or {})

    def _empty(self) -> Json:
        metadata = {"name": NAME, "namespace": self._namespace, "labels": {"app.kubernetes.io/name": "govgate"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def noted(grant: Grant, notes: Mapping[str, str]) -> bool:
    """Whether these notes have the approval of this grant."""
    return bool(grant.uid) and notes.get(grant.uid, "").partition(" ")[0] == digest_of(grant)


def digest_of(grant: Grant) -> str:
    """Of the approval, and of what it approves: this very object, and its spec by the digest that the approval states."""
    approved: tuple[Any, ...] = (grant.uid, grant.name, grant.status.approval)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(approved, order="deterministic")).hexdigest()


def _is_over(text: str, now: datetime) -> bool:
    try:
        expires = datetime.fromisoformat(text.partition(" ")[2])
    except ValueError:
        return False
    return expires.tzinfo is not None and expires + KEPT <= now


def _data(found: Json) -> dict[str, str]:
    data = found.get("data")
    return {str(uid): text for uid, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}
