"""Summaries of a scan, written into the cluster where they differ from what it holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.config.controller import Reports
from gateway.controllers.metrics import ScanMetrics
from gateway.controllers.scan.report import (
    FLAVOURS,
    MANAGED_BY,
    NAME,
    SOURCE,
    Flavour,
    report_of,
    unchanged,
)
from gateway.controllers.scan.results import Results
from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube import ApiError, KubeClient
from gateway.kube.discovery import Pace
from gateway.kube.resource import served_version
from policies.rule import RuleInfo

MANAGER = "govgate-controller"
_PAGE_OBJECTS = 100
_NOT_FOUND = 404
_log = logging.getLogger(__name__)


class Held(msgspec.Struct, frozen=True):
    """What is compared of a report that the cluster holds."""

    metadata: dict[str, Any]
    summary: dict[str, int] | None = None

    def document(self) -> Json:
        """As :func:`gateway.controllers.scan.report.unchanged` reads it."""
        return {"metadata": self.metadata, "summary": self.summary}


class _ListMeta(msgspec.Struct):
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    items: tuple[Held, ...] = ()
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class Publisher:
    """Writes reports. That the cluster serves none is said once, not at each scan."""

    def __init__(self, client: KubeClient, settings: Reports, pace: Pace, metrics: ScanMetrics) -> None:
        self._client = client
        self._settings = settings
        self._pace = pace
        self._metrics = metrics
        self._served: Flavour | None = None
        self._said = False

    async def publish(self, results: Results, infos: Mapping[str, RuleInfo]) -> bool:
        """Make the cluster's reports those of a scan; whether all of them are.

        Raises:
            ClusterError: the reports that are there cannot be read.
        """
        flavours = [one for one in FLAVOURS if await self._serves(one)]
        self._metrics.reports_served.set(int(bool(flavours)))
        if not flavours:
            if not self._said:
                _log.warning("the cluster serves no type of reports: findings are not summarised in it")
            self._said = True
            return True
        self._said = False
        whole = True
        for flavour in flavours[1:]:
            for namespace in await self._held(flavour):
                whole &= await self._remove(flavour, namespace)
        return await self._write_all(flavours[0], results, infos) and whole

    async def _write_all(self, flavour: Flavour, results: Results, infos: Mapping[str, RuleInfo]) -> bool:
        held = await self._held(flavour)
        whole = True
        limit = self._settings.max_results
        unread = sorted(results.problems())
        for namespace, counts in results.namespaces():
            await asyncio.sleep(0)  # many namespaces must not hold up the lease
            worst = results.worst(namespace, limit + 1)
            report = report_of(
                flavour, namespace, counts, worst[:limit], truncated=len(worst) > limit, infos=infos, unread=unread
            )
            if unchanged(report, held.pop(namespace, None)):
                self._metrics.reports.labels("unchanged").inc()
            else:
                whole &= await self._write(flavour, namespace, report)
        # What could not be read may be all that a namespace has: its report stays as it was.
        for namespace in held if not unread else ():
            whole &= await self._remove(flavour, namespace)
        return whole

    async def _serves(self, flavour: Flavour) -> bool:
        """Whether the cluster has both of its types."""
        for namespace in ("any", ""):
            await self._pace()
            if await served_version(self._client, flavour.resource(namespace)) is None:
                return False
        return True

    async def _held(self, flavour: Flavour) -> dict[str, Json]:
        """Our reports that the cluster holds, by namespace."""
        found: dict[str, Json] = {}
        for namespace in ("any", ""):
            path = flavour.resource(namespace).path(flavour.version)
            query = {"limit": str(_PAGE_OBJECTS), "labelSelector": f"{MANAGED_BY}={SOURCE}"}
            while True:
                await self._pace()
                try:
                    page = msgspec.json.decode(await self._client.read(path, query), type=_List)
                except msgspec.DecodeError:
                    raise ClusterError(f"{path}: the answer is no list of reports") from None
                for one in page.items:
                    if one.metadata.get("name") == NAME:
                        found[str(one.metadata.get("namespace", ""))] = one.document()
                if not page.metadata.continue_:
                    break
                query["continue"] = page.metadata.continue_
        return found

    async def _write(self, flavour: Flavour, namespace: str, report: Json) -> bool:
        path = flavour.resource(namespace).path(flavour.version, namespace, NAME)
        await self._pace()
        try:
            await self._client.apply(path, report, manager=MANAGER)
        except ClusterError as error:
            if isinstance(error, ApiError) and error.code == _NOT_FOUND:
                return True  # the namespace has gone meanwhile
            return self._failed(namespace, error)
        self._metrics.reports.labels("written").inc()
        return True

    async def _remove(self, flavour: Flavour, namespace: str) -> bool:
        path = flavour.resource(namespace).path(flavour.version, namespace, NAME)
        await self._pace()
        try:
            await self._client.delete(path)
        except ClusterError as error:
            if not (isinstance(error, ApiError) and error.code == _NOT_FOUND):
                return self._failed(namespace, error)
        self._metrics.reports.labels("removed").inc()
        return True

    def _failed(self, namespace: str, error: ClusterError) -> bool:
        self._metrics.reports.labels("failed").inc()
        fields = {"namespace": namespace, "problem": str(error)}
        _log.warning("report not written", extra={"fields": fields})
        return False
