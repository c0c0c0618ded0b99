"""Which approvals this webhook saw: noted in govgate's own namespace before they are let through.

While the webhook is away, or is not asked, everybody who may write the status of grants can write an approval in
anybody's name. So an approval holds only if it is noted here, where govgate's administrators alone may write
(``doctor`` says who else may). Nothing is taken from a note but that it is there, and it is looked up for each request: what
is removed holds no more, in whichever replica (ADR 14).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube import ApiError, KubeClient
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Grant

NAME = "govgate-break-glass"
"""Of the ConfigMap."""
KEPT = timedelta(hours=1)
"""How long a note outlives its grant: clocks may differ."""
_MANAGER = "govgate"
_NOT_FOUND = 404
_TOO_LARGE = frozenset((413, 422))
_log = logging.getLogger(__name__)


class Notes:
    """The notes in one namespace, one for each grant that was approved."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{NAME}"

    async def write(self, grant: Grant, now: Moment) -> None:
        """Note the approval of the grant, in the same write in which notes of grants that are long over go.

        So a ConfigMap that is full takes a note again as soon as one of them may go.

        Raises:
            ClusterError: it could not be noted.
        """
        found = await self._client.find(self._path)
        if found is None:
            found = await self._client.apply(self._path, self._empty(), manager=_MANAGER)
        kept = _data(found)
        over = [uid for uid, text in kept.items() if _is_over(text, now)]
        note = {grant.uid: f"{digest_of(grant)} {grant.spec.expires.astimezone(UTC).isoformat()}"}
        try:
            await self._client.merge(self._path, {"data": dict.fromkeys(over) | note})
        except ApiError as error:
            if error.code not in _TOO_LARGE:
                raise
            problem = _full(len(kept) - len(over), now)
            _log.warning("no room for notes", extra={"fields": {"configmap": NAME, "problem": problem}})
            raise ClusterError(f"{problem} ({error})") from None

    async def read(self) -> Mapping[str, str]:
        """All notes, by the uids of grants.

        Raises:
            ClusterError: they cannot be read.
        """
        return await self.find() or {}

    async def find(self) -> Mapping[str, str] | None:
        """The same; None where there is no such ConfigMap."""
        found = await self._client.find(self._path)
        return _data(found) if found is not None else None

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


def _is_over(text: str, now: Moment) -> bool:
    try:
        expires = datetime.fromisoformat(text.partition(" ")[2])
        return expires.tzinfo is not None and now.is_past(expires + KEPT)
    except (ValueError, OverflowError):
        return False


def _full(left: int, now: Moment) -> str:
    why = (
        "take out what is not govgate's"
        if now.agreed
        else "nothing is removed while this gateway's clock and the API server's do not agree"
    )
    return f"it is full: {left} entries are not known to be over; {why}"


def _data(found: Json) -> dict[str, str]:
    data = found.get("data")
    return {str(uid): text for uid, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}
