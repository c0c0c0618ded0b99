"""What a store is told about itself: the condition Ready, as ESO states it, which health checks of reconcilers wait for; and
an Event when that turns.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from gateway.controllers.external.events import turned
from gateway.controllers.external.held import CLUSTER_STORES, STORES
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, Key, KubeClient
from gateway.kube.discovery import Pace
from gateway.kube.events import EVENTS, event, involved_in
from gateway_secrets.external.record import refreshed
from gateway_secrets.external.spec import API_VERSION, VERSION
from gateway_secrets.external.status import MAX_MESSAGE, READY, ready_of
from gateway_secrets.external.store import CLUSTER_STORE

VALID, INVALID, FAILED, UNKNOWN = "Valid", "InvalidProviderConfig", "ValidationFailed", "ValidationUnknown"
_GOOD = frozenset((VALID, UNKNOWN))
"""As ESO says it: one of which nothing is known may be good."""
_OF_CLUSTER = "default"
"""Where Events about objects of the cluster are."""
_GONE = frozenset((404, 409))
_log = logging.getLogger(__name__)

Json = dict[str, Any]


class StoreStatus:
    """Writes what it is told to, of each store the newest."""

    def __init__(self, client: KubeClient, pace: Pace) -> None:
        self._client = client
        self._pace = pace
        self._said: dict[Key, tuple[str, str]] = {}
        self._changed = asyncio.Event()

    def say(self, key: Key, reason: str, message: str) -> None:
        """A store is so; the namespace is empty of one of the cluster."""
        self._said[key] = (reason, message)
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            said, self._said = self._said, {}
            for key, (reason, message) in said.items():
                try:
                    await self._write(key, reason, message)
                except ClusterError as error:
                    if not isinstance(error, ApiError) or error.code not in _GONE:
                        fields = {"store": "/".join(key), "problem": str(error)}
                        _log.warning("status of a store not written", extra={"fields": fields})

    async def _write(self, key: Key, reason: str, message: str) -> None:
        path = (STORES if key.namespace else CLUSTER_STORES).path(VERSION, *key)
        await self._pace()
        document = await self._client.get(path)
        status = store_status(document.get("status") or {}, reason, message, datetime.now(UTC))
        if status is None:
            return
        before = ready_of(document.get("status") or {})
        await self._client.replace(f"{path}/status", document | {"status": status})
        if turned(before, ready_of(status)):
            await self._tell(key, document, reason, message)

    async def _tell(self, key: Key, document: Json, reason: str, message: str) -> None:
        now = datetime.now(UTC)
        about = involved_in(document, API_VERSION, "SecretStore" if key.namespace else CLUSTER_STORE)
        made = event(
            about,
            key.namespace or _OF_CLUSTER,
            kind="Normal" if reason in _GOOD else "Warning",
            reason=reason,
            message=message[:MAX_MESSAGE],
            now=now,
        )
        try:
            await self._pace()
            await self._client.create(EVENTS.path("v1", key.namespace or _OF_CLUSTER), made)
        except ClusterError as error:
            _log.warning("event not written", extra={"fields": {"store": "/".join(key), "problem": str(error)}})


def store_status(status: Json, reason: str, message: str, now: datetime) -> Json | None:
    """The status that a store shall have; None if it has it. Pure."""
    former = ready_of(status)
    wanted = {
        "type": READY,
        "status": "True" if reason in _GOOD else "False",
        "reason": reason,
        "message": message[:MAX_MESSAGE],
    }
    if all(former.get(name) == value for name, value in wanted.items()):
        return None
    turned = former.get("status") != wanted["status"]
    wanted["lastTransitionTime"] = refreshed(now) if turned else former.get("lastTransitionTime") or refreshed(now)
    others = [one for one in status.get("conditions") or [] if one.get("type") != READY]
    return {**status, "conditions": [*others, wanted]}
