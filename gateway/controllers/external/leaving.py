"""ExternalSecrets that are deleted: their leases are ended first, and finalizers that nobody else would take away are."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.controllers.external.dynamic import Dynamics
from gateway.controllers.external.held import EXTERNAL, Held, Json
from gateway.controllers.external.known import Known
from gateway.core.errors import AuditError
from gateway.kube import Key, KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.made import FINALIZER
from gateway_secrets.external.spec import VERSION, ExternalSecret, external_of

CLEANUP = "externalsecrets.external-secrets.io/externalsecret-cleanup"
"""A finalizer of ESO's. What it is for, states of generators, is not there in what govgate claims."""
PATIENCE_SECONDS = 600.0
"""So long a deletion waits for a Vault that does not answer; then leases last until they end by themselves."""


def leaves(held: Held) -> bool:
    """Whether it is deleted, and govgate has yet to end its leases: whosever it is by now."""
    return b'"deletionTimestamp"' in held.text and FINALIZER.encode() in held.text


class Leaving:
    """See the module. ``now``: the clock, seconds since the epoch."""

    def __init__(
        self, client: KubeClient, known: Known, dynamics: Dynamics, pace: Pace, now: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._known = known
        self._dynamics = dynamics
        self._pace = pace
        self._now = now

    async def guarded(self, key: Key, held: Held, document: Json) -> Json:
        """The object, with govgate's finalizer if leases may be made for it.

        Raises:
            ClusterError: it could not be written.
        """
        finalizers = document["metadata"].get("finalizers") or []
        if FINALIZER in finalizers or not self._known.makes_leases(key, held):
            return document
        return await self._write(key, document, [*finalizers, FINALIZER])

    async def let_go(self, key: Key, held: Held, document: Json) -> bool:
        """End what there is of leases, and let the object go; False: later.

        Raises:
            ClusterError: the API server could not be asked.
        """
        finalizers = document["metadata"].get("finalizers") or []
        dropped = {CLEANUP} if self._known.claimed(key, held) else set()
        if FINALIZER in finalizers:
            if not await self._ended(key, document):
                return False
            dropped.add(FINALIZER)
        if dropped.intersection(finalizers):
            await self._write(key, document, [one for one in finalizers if one not in dropped])
        return True

    def gone(self, held: Held) -> None:
        """One is no more. Leases are left only if somebody took the finalizer away."""
        if self._dynamics.knows(held.uid):
            self._dynamics.gone(read_loosely(held.document))

    async def _ended(self, key: Key, document: Json) -> bool:
        external = read_loosely(document)
        secret = self._known.secrets(Key(key.namespace, external.target_name))
        last = self._now() - _deleted_at(document) > PATIENCE_SECONDS
        try:
            return await self._dynamics.let_go(external, secret.document if secret is not None else None, last=last)
        except AuditError:
            return last

    async def _write(self, key: Key, document: Json, finalizers: list[str]) -> Json:
        metadata = document["metadata"] | {"finalizers": finalizers}
        await self._pace()
        return await self._client.replace(EXTERNAL.path(VERSION, *key), document | {"metadata": metadata})


def read_loosely(document: Json) -> ExternalSecret:
    """An ExternalSecret as far as it can be read: enough to tell whose leases are its own."""
    try:
        external = external_of(document)
        external.spec.refresh_seconds(0.0)
    except (msgspec.ValidationError, ValueError):
        spec = document.get("spec")
        target = spec.get("target") if isinstance(spec, dict) else None
        name = target.get("name") if isinstance(target, dict) else None
        named = {"target": {"name": name}} if isinstance(name, str) else {}
        return external_of({"metadata": document["metadata"], "spec": named})
    return external


def _deleted_at(document: Json) -> float:
    try:
        return datetime.fromisoformat(str(document["metadata"].get("deletionTimestamp"))).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0
