"""What an ExternalSecret is told about itself: its status, and an Event when that turns, or something was given up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.controllers.external.contested import contest_of
from gateway.controllers.external.events import event_of, notice_of, worth_telling
from gateway.controllers.external.held import EXTERNAL, Json
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, Key, KubeClient
from gateway.kube.discovery import Pace
from gateway.kube.events import EVENTS
from gateway_secrets.external.spec import VERSION, ExternalSecret, external_of
from gateway_secrets.external.status import ready_of, status_of
from gateway_secrets.external.target import Decision

_CONFLICT = 409
_log = logging.getLogger(__name__)


class Notices:
    """Events of what happens to ExternalSecrets beside their condition. ``now``: the clock, seconds since the epoch."""

    def __init__(self, client: KubeClient, pace: Pace, now: Callable[[], float]) -> None:
        self._client = client
        self._pace = pace
        self._now = now

    async def say(self, external: ExternalSecret, reason: str, message: str) -> None:
        """Warn of something, if the API server takes it."""
        event = notice_of(external, reason, message, datetime.fromtimestamp(self._now(), UTC))
        await self.write(Key(external.namespace, external.name), event)

    async def write(self, key: Key, event: Json) -> None:
        """Write an Event about an object; that it cannot be written is logged."""
        try:
            await self._pace()
            await self._client.create(EVENTS.path("v1", key.namespace), event)
        except ClusterError as error:
            _log.warning("event not written", extra={"fields": {"object": "/".join(key), "problem": str(error)}})


class Teller:
    """Writes as much as the pace allows. ``now``: the clock, seconds since the epoch."""

    def __init__(self, client: KubeClient, pace: Pace, now: Callable[[], float]) -> None:
        self._client = client
        self._pace = pace
        self._now = now
        self._notices = Notices(client, pace, now)

    async def say(
        self, key: Key, document: Json, external: ExternalSecret | None, decision: Decision, *, read: bool
    ) -> None:
        """State in the ExternalSecret how it is, if that is not what it says; and tell of it in an Event."""
        now = datetime.fromtimestamp(self._now(), UTC)
        before = document.get("status") or {}
        after = await self._stated(key, document, external or _bare(document), decision, now, read=read)
        if worth_telling(ready_of(before), ready_of(after), decision):
            await self._notices.write(key, event_of(document, decision, now))

    async def contested(self, key: Key, document: Json, writer: str) -> None:
        """Tell an ExternalSecret that somebody else, the field manager ``writer``, works on it, too."""
        await self._notices.write(key, contest_of(document, writer, datetime.fromtimestamp(self._now(), UTC)))

    async def _stated(
        self, key: Key, document: Json, about: ExternalSecret, decision: Decision, now: datetime, *, read: bool
    ) -> Json:
        """Write the status, if there is another one to be written; the one that the object has then."""
        path = EXTERNAL.path(VERSION, *key)
        for attempt in range(2):
            status = status_of(about, document, decision, now, read=read)
            if status is None:
                break
            await self._pace()
            try:
                await self._client.replace(f"{path}/status", document | {"status": status})
            except ApiError as error:
                newest = await self._again(path, document, error) if not attempt else None
                if newest is None:
                    raise
                document = newest
                continue
            return status
        return document.get("status") or {}

    async def _again(self, path: str, document: Json, error: ApiError) -> Json | None:
        """The newest state of an object, if only what was decided about it is still about the same."""
        if error.code != _CONFLICT:
            return None
        newest = await self._client.get(path)
        same = all(
            newest["metadata"].get(name) == document["metadata"].get(name)
            for name in ("uid", "generation", "labels", "annotations")
        )
        return newest if same else None


def _bare(document: Json) -> ExternalSecret:
    """The object without what it says, which is not readable."""
    return external_of({"metadata": document["metadata"]})
