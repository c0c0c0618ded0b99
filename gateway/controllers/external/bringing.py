"""What an ExternalSecret asks for is read, what its Secret shall be is decided by that, and it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.controllers.external.documents import secret_data, template_documents
from gateway.controllers.external.held import Json
from gateway.controllers.external.looks import Outcome
from gateway.controllers.external.reading import Reading, Sources
from gateway.controllers.external.writing import Decide, SecretWriter
from gateway.kube import KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.collect import Values, collect
from gateway_secrets.external.content import content_of
from gateway_secrets.external.made import Note
from gateway_secrets.external.renderer import Renderer
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.target import NOT_THERE, Decision, Intent, plan, plan_empty
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS


class Tools(msgspec.Struct, frozen=True):
    """What all looks share. ``key``: of marks; ``least_refresh``: seconds between two refreshes; ``now``: the clock, seconds
    since the epoch.
    """

    client: KubeClient
    sources: Sources
    renderer: Renderer
    key: bytes
    pace: Pace
    least_refresh: float = LEAST_REFRESH_SECONDS
    now: Callable[[], float] = time.time


class Bringer:
    """Brings Secrets in line, several at a time."""

    def __init__(self, tools: Tools, writer: SecretWriter) -> None:
        self._tools = tools
        self._writer = writer
        self._dynamics = tools.sources.generators.dynamics

    async def bring(
        self, external: ExternalSecret, present: Json | None, reading: Reading, before: Note
    ) -> tuple[Decision, Outcome]:
        """Read, decide, write. ``present``: the Secret, if it is held; ``before``: what it noted.

        Raises:
            StoreError: a store does not give what is asked for.
            ExternalError: something may not be read, or what was read does not make a Secret.
            AuditError: a read cannot be put on record.
            ClusterError: the API server did not do its part, or what was looked at is outdated.
        """
        generated = any(entry.generator is not None for entry in external.spec.data_from)
        if present is None and generated:
            # One that bears no mark yet is not held, and remembers all the same.
            present = await self._writer.present(external)
        if present is None and generated and external.spec.target.creation_policy == "Merge":
            return NOT_THERE, Outcome.UNCHANGED  # before anything is made that nobody would have
        reading.present = secret_data(present)
        values = await collect(external.spec, reading, self._tools.renderer, reading.present)
        made = self._dynamics.note(external, reading.made, before)
        decide = await self._decider(external, values, made)
        target = external.spec.target
        taken_away = not values.data and target.deletion_policy == "Delete"
        if present is None and (target.creation_policy == "Merge" or taken_away):
            # One that bears no mark yet is not held.
            present = await self._writer.present(external)
        return await self._writer.write(external, decide, present, remembers=generated)

    async def _decider(self, external: ExternalSecret, values: Values, made: str) -> Decide:
        tools = self._tools
        now = datetime.fromtimestamp(tools.now(), UTC)
        if not values.data:
            empty = plan_empty(external, None)
            if empty is not None:
                return lambda present: plan_empty(external, present) or empty
        template = external.spec.target.template
        documents = await template_documents(tools.client, template, external.namespace, where="spec.target.template")
        content = await content_of(external, values.data, documents, tools.renderer)
        intent = Intent(external, content, values.sources, tools.key, made)
        return lambda present: plan(intent, present, now=now, alive=tools.sources.known)
