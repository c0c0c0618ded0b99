"""The Event on an object that was changed under a grant: best effort, after the answer, a few at a time."""

from __future__ import annotations

import asyncio
import logging

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube import KubeClient
from gateway.kube.events import EVENTS, event
from webhooks.breakglass.grant import Grant, Use

REASON = "BreakGlassUsed"
_NOWHERE = "default"
"""Where Events about objects in no namespace are kept."""
_MAX_MESSAGE = 1_000
_MAX_WAITING = 100
_log = logging.getLogger(__name__)


def event_of(grant: Grant, use: Use) -> Json:
    """A core/v1 Event."""
    about = use.object
    fields = ", ".join(changed.field for changed in use.fields if changed.field) or "the whole object"
    message = (
        f"{use.user} may {use.operation} by {grant.id} ({grant.spec.ticket}: {grant.spec.reason}), "
        f"use {grant.status.used} of {grant.spec.max_uses}: {fields}"
    )
    involved = {"apiVersion": about.api_version, "kind": about.kind, "name": about.name, "namespace": about.namespace}
    return event(
        {key: value for key, value in involved.items() if value},
        about.namespace or _NOWHERE,
        kind="Warning",
        reason=REASON,
        message=message[:_MAX_MESSAGE],
        now=use.time,
        component="govgate",
    )


class EventWriter:
    """Writes Events beside the requests. What cannot be written is in the log: the audit record has it in any case."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def used(self, grant: Grant, use: Use) -> None:
        """Tell of a use."""
        if len(self._tasks) >= _MAX_WAITING:
            _log.warning("event not written", extra={"fields": {"grant": grant.name, "problem": "too many wait"}})
            return
        task = asyncio.create_task(self._write(event_of(grant, use)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop; what still waits is not written."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, event: Json) -> None:
        try:
            await self._client.create(EVENTS.path("v1", event["metadata"]["namespace"]), event)
        except ClusterError as error:
            _log.warning("event not written", extra={"fields": {"reason": REASON, "problem": str(error)}})
