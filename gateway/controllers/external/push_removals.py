"""What PushSecrets take out of stores again, and what of it they have to leave there."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable

from gateway.controllers.external.held import NAMESPACES
from gateway.controllers.external.push_status import Json, PushTeller
from gateway.controllers.external.pushing import Pushing
from gateway.controllers.metrics import PushMetrics
from gateway.core.errors import AuditError
from gateway.kube import Key, KubeClient
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.push import name_of
from gateway_secrets.external.push_spec import PushData, PushSpec
from gateway_secrets.external.push_status import Synced, outdated, store_name
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.stores.errors import ForeignError, MisconfiguredError, StoreError

_TOLD = 5
_log = logging.getLogger(__name__)


class Removals:
    """See the module."""

    def __init__(self, client: KubeClient, pushing: Pushing, teller: PushTeller, metrics: PushMetrics) -> None:
        self._client = client
        self._pushing = pushing
        self._teller = teller
        self._metrics = metrics

    async def take_away(
        self,
        key: Key,
        document: Json,
        spec: PushSpec,
        entries: Iterable[tuple[StoreRef, PushData]],
        synced: Synced,
        *,
        asked: Container[StoreRef],
    ) -> dict[StoreRef, list[str]]:
        """Take away what is outdated, also from ``synced``; what went wrong, by store. ``asked``: the stores that are named.

        One that is gone may come again while it is named, and what it holds is taken away then; else that is told and forgotten.
        """
        failed: dict[StoreRef, list[str]] = {}
        left: list[str] = []
        for ref, entry in entries:
            try:
                if spec.deletion_policy == "Delete" and ref not in asked and self._pushing.is_gone(ref, key.namespace):
                    left.append(f"{ref}, which is gone: {name_of(entry)}")
                elif spec.deletion_policy == "Delete":
                    await self._remove(key, ref, entry, left)
                synced[store_name(ref)].pop(name_of(entry), None)
            except (StoreError, ExternalError, AuditError) as error:
                failed.setdefault(ref, []).append(str(error))
                self._metrics.changes.labels("failed").inc()
        if left:
            await self._tell_left(key, document, "not taken out of", left)
        return failed

    async def let_go(self, key: Key, document: Json, before: Synced) -> str:
        """Take away all that was stored by one that is deleted; why that is not done, empty if it is."""
        left: list[str] = []
        closed: dict[StoreRef, str] = {}
        for ref, entry in outdated(before, {}):
            if self._pushing.is_gone(ref, key.namespace):
                closed[ref] = "which is gone"
            if ref in closed:
                left.append(f"{ref}, {closed[ref]}: {name_of(entry)}")
                continue
            try:
                await self._remove(key, ref, entry, left)
            except (StoreError, ExternalError, AuditError) as error:
                if isinstance(error, MisconfiguredError) and await self._ends(key.namespace):
                    # What the store logs in with went with the namespace, and does not come back.
                    closed[ref] = str(error)
                    left.append(f"{ref}, {closed[ref]}: {name_of(entry)}")
                    continue
                self._metrics.changes.labels("failed").inc()
                return f"{ref}: {error}"
        if left:
            await self._tell_left(key, document, "deleted, and not taken out of", left)
        return ""

    async def _remove(self, key: Key, ref: StoreRef, entry: PushData, left: list[str]) -> None:
        """Take one away; what turns out to be somebody else's is left."""
        try:
            await self._pushing.remove(key, ref, entry)
        except ForeignError:
            left.append(f"{ref}, where it was not made by pushing: {name_of(entry)}")

    async def _tell_left(self, key: Key, document: Json, what: str, left: list[str]) -> None:
        """Tell of what stays where it was stored."""
        told = f"{what} {'; '.join(left[:_TOLD])}{' …' if len(left) > _TOLD else ''}"
        _log.warning("PushSecret let go", extra={"fields": {"object": "/".join(key), "problem": told}})
        await self._teller.tell(key, document, "Warning", "NotRemoved", told)

    async def _ends(self, namespace: str) -> bool:
        """Whether a namespace is being deleted, or is gone."""
        found = await self._client.find(NAMESPACES.path("v1", "", namespace))
        return found is None or bool(found["metadata"].get("deletionTimestamp"))
