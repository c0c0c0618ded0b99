"""What a PushSecret is told about itself: its status, and an Event when that turns."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.controllers.external.events import MAX_MESSAGE_CHARACTERS, turned
from gateway.core.errors import ClusterError
from gateway.kube import Key, KubeClient, ResourceType
from gateway.kube.discovery import Pace
from gateway.kube.events import EVENTS, event, involved_in
from gateway_secrets.external.push_spec import API_VERSION, KIND
from gateway_secrets.external.push_status import Synced, noted, status_of, version
from gateway_secrets.external.spec import GROUP
from gateway_secrets.external.status import ready_of

Json = dict[str, Any]
PUSHES = ResourceType(GROUP, ("v1alpha1",), "pushsecrets")
_log = logging.getLogger(__name__)


class PushTeller:
    """Writes as much as the pace allows."""

    def __init__(self, client: KubeClient, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    async def say(self, key: Key, document: Json, problem: str, synced: Synced, *, remark: str = "") -> None:
        """State in the PushSecret how it is. ``problem``: why it is not ready; empty if it is. ``synced``: what is stored.
        ``remark``: what is told of one that is ready.

        Raises:
            ClusterError: the status cannot be written.
        """
        status = document.get("status") or {}
        shall = status_of(status, problem, synced, version(document), datetime.now(UTC), remark=remark)
        if shall == status:
            return
        await self._pace()
        await self._client.replace(f"{PUSHES.path('v1alpha1', *key)}/status", document | {"status": shall})
        after = ready_of(shall)
        if turned(ready_of(status), after):
            kind: Literal["Normal", "Warning"] = "Warning" if problem else "Normal"
            await self.tell(key, document, kind, after["reason"], after["message"])

    async def note(self, key: Key, document: Json, synced: Synced) -> Json:
        """State what is stored, or about to be; the PushSecret as it is then.

        Raises:
            ClusterError: the status cannot be written, also because the PushSecret has changed.
        """
        shall = noted(document.get("status") or {}, synced)
        await self._pace()
        written = await self._client.replace(f"{PUSHES.path('v1alpha1', *key)}/status", document | {"status": shall})
        written["metadata"].pop("managedFields", None)
        return written | {"apiVersion": API_VERSION, "kind": KIND}

    async def tell(
        self, key: Key, document: Json, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """An Event about it, if one can be written."""
        about = involved_in(document, API_VERSION, KIND)
        now = datetime.now(UTC)
        made = event(about, key.namespace, kind=kind, reason=reason, message=message[:MAX_MESSAGE_CHARACTERS], now=now)
        try:
            await self._pace()
            await self._client.create(EVENTS.path("v1", key.namespace), made)
        except ClusterError as error:
            _log.warning("event not written", extra={"fields": {"object": "/".join(key), "problem": str(error)}})
