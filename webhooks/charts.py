"""Which registries Flux's charts come from: HelmRepositories and the HelmCharts that name them, as a cluster holds them."""

from __future__ import annotations

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.subject import Json
from gateway.kube import KubeClient, ResourceType, WatchCache
from webhooks.sources.fetch import Fetch, is_oci, reference_of, section, text
from webhooks.sources.flux import SOURCES, helm_chart

_VERSIONS = ("v1", "v1beta2", "v1beta1")


class ChartSource(msgspec.Struct, frozen=True):
    """Where a HelmRepository's charts are. ``url`` is empty unless it is a registry; ``login`` and ``certificates``: see
    :class:`Fetch`.
    """

    url: str
    login: str = ""
    certificates: str = ""

    def reached(self, chart: Fetch) -> Fetch:
        """The chart, fetched as the repository says."""
        return msgspec.structs.replace(chart, login=self.login, certificates=self.certificates)


class ClusterCharts:
    """Look-ups that never wait. Nothing is watched before :meth:`start`: without trust policies nobody needs it."""

    def __init__(self, client: KubeClient) -> None:
        self._repositories = WatchCache(client, ResourceType(SOURCES, _VERSIONS, "helmrepositories"), chart_source)
        self._charts = WatchCache(client, ResourceType(SOURCES, _VERSIONS, "helmcharts"), _chart)
        self._started = False

    def source(self, namespace: str, name: str) -> ChartSource | None:
        """The HelmRepository; None if there is none.

        Raises:
            UndecidedError: they were not read yet.
        """
        self._check()
        return self._repositories.get(namespace, name)

    def charts(self, namespace: str, name: str) -> list[Fetch]:
        """What the HelmCharts that name a HelmRepository fetch.

        Raises:
            UndecidedError: they were not read yet.
        """
        self._check()
        return [
            found
            for key, chart in self._charts.items()
            for found in chart
            if found.through is not None
            and (found.through.namespace or key.namespace, found.through.name) == (namespace, name)
        ]

    def checks(self) -> dict[str, bool | str]:
        """By type, whether the objects were read; else why not."""
        caches = (self._repositories, self._charts) if self._started else ()
        return {str(cache.resource): cache.synced or cache.problem for cache in caches}

    def start(self) -> None:
        """Begin to list and watch, if that was not done before."""
        if not self._started:
            self._started = True
            self._repositories.start()
            self._charts.start()

    async def close(self) -> None:
        """Stop."""
        await self._repositories.close()
        await self._charts.close()

    def _check(self) -> None:
        for cache in (self._repositories, self._charts):
            if not cache.synced:
                raise UndecidedError(f"{cache.resource}: {cache.problem}")


def chart_source(document: Json) -> ChartSource:
    """What a HelmRepository says about where its charts are."""
    spec = section(document, "spec")
    url = text(spec.get("url"))
    return ChartSource(url if is_oci(url) else "", reference_of(spec, "secretRef"), reference_of(spec, "certSecretRef"))


def _chart(document: Json) -> list[Fetch]:
    return helm_chart(document, text(section(document, "metadata").get("namespace")))
