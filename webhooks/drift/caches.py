"""Facts from watch caches: owners, their sources and projects, and the index of their inventories."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.config.drift import Drift
from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import Json, Subject
from gateway.kube import ApiError, Key, KubeClient, ResourceType, WatchCache
from webhooks.drift.facts import ObjectKey, Owner, OwnerRef
from webhooks.drift.reconcilers import argocd_records, flux_records
from webhooks.drift.reconcilers.records import Record

_NOT_FOUND = 404
_FLUX_SOURCES = ("gitrepositories", "ocirepositories", "helmrepositories", "buckets", "helmcharts")

KUSTOMIZATIONS = ResourceType("kustomize.toolkit.fluxcd.io", ("v1", "v1beta2"), "kustomizations")
HELM_RELEASES = ResourceType("helm.toolkit.fluxcd.io", ("v2", "v2beta2"), "helmreleases")
APPLICATIONS = ResourceType("argoproj.io", ("v1alpha1",), "applications")
PROJECTS = ResourceType("argoproj.io", ("v1alpha1",), "appprojects")


class ClusterFacts:
    """The :class:`webhooks.drift.facts.Facts` of a connected cluster.

    Only caches of reconcilers that are looked at are kept. Sources are for messages alone: while one of them cannot be
    read, decisions are none the worse.
    """

    connected = True

    def __init__(self, client: KubeClient, config: Drift) -> None:
        self._client = client
        self._inventory: dict[ObjectKey, tuple[OwnerRef, ...]] = {}
        self._records: dict[str, WatchCache[Record]] = {}
        self._sources: dict[str, WatchCache[str]] = {}
        self._projects: WatchCache[tuple[argocd_records.DestinationAccount, ...]] | None = None
        if config.flux_kustomization.mode != "disabled":
            self._watch("flux-kustomization", KUSTOMIZATIONS, flux_records.kustomization)
        if config.flux_helm_release.mode != "disabled":
            self._watch("flux-helmrelease", HELM_RELEASES, flux_records.helm_release)
        if self._records:
            for plural in _FLUX_SOURCES:
                resource = ResourceType("source.toolkit.fluxcd.io", ("v1", "v1beta2"), plural)
                self._sources[plural] = WatchCache(client, resource, flux_records.source_url)
        if config.argo_cd.mode != "disabled":
            self._watch("argocd", APPLICATIONS, argocd_records.application)
            self._projects = WatchCache(client, PROJECTS, argocd_records.destination_accounts)

    def start(self) -> None:
        """Begin to list and watch."""
        for cache in self._caches():
            cache.start()

    async def close(self) -> None:
        """Stop watching and close the connection."""
        for cache in self._caches():
            await cache.close()
        await self._client.close()

    def checks(self) -> dict[str, bool | str]:
        """By resource type, whether what decisions need was read; else why not."""
        needed: list[WatchCache[Any]] = [*self._records.values()]
        if self._projects is not None:
            needed.append(self._projects)
        return {str(cache.resource): cache.synced or cache.problem for cache in needed}

    def problem(self, reconciler: str) -> str:
        """Why this reconciler's owners are not known; empty when they are."""
        cache = self._records.get(reconciler)
        if cache is None:
            return ""
        if not cache.synced:
            return f"{cache.resource} could not be read: {cache.problem}"
        if reconciler == "argocd" and self._projects is not None and not self._projects.synced:
            return f"{self._projects.resource} could not be read: {self._projects.problem}"
        return ""

    def owner(self, ref: OwnerRef) -> Owner | None:
        """What is known of the owner, completed with its source's address or its project's accounts."""
        cache = self._records.get(ref.reconciler)
        record = cache.get(ref.namespace, ref.name) if cache is not None else None
        if record is None:
            return None
        plural, namespace, name = record.needs
        if self._projects is not None and plural == PROJECTS.plural:
            accounts = argocd_records.account_for(record, self._projects.get(namespace, name) or ())
            return msgspec.structs.replace(record.owner, accounts=accounts)
        source = self._sources.get(plural)
        url = source.get(namespace, name) if source is not None else None
        if not url:
            return record.owner
        return msgspec.structs.replace(
            record.owner, source=msgspec.structs.replace(record.owner.source, repository=url)
        )

    def inventory(self, key: ObjectKey) -> tuple[OwnerRef, ...]:
        """The owners that list the object in their inventories."""
        return self._inventory.get(key, ())

    async def scaled(self, subject: Subject) -> Json | None:
        """The object whose ``/scale`` the request is about, read anew: its replicas may have been taken over since.

        Raises:
            UndecidedError: the cluster could not be asked, or does not let us read the object.
        """
        asked = subject.resource
        resource = ResourceType(asked.group, (asked.version,), asked.resource)
        try:
            return await self._client.get(resource.path(asked.version, subject.namespace, subject.name))
        except ApiError as error:
            if error.code == _NOT_FOUND:
                raise UndecidedError(f"{resource} {subject.namespace}/{subject.name} is not there to scale") from None
            raise UndecidedError(f"cannot read {resource} {subject.namespace}/{subject.name}: {error}") from None
        except ClusterError as error:
            raise UndecidedError(f"cannot look up what is scaled: {error}") from None

    def _watch(self, reconciler: str, resource: ResourceType, reduce: Any) -> None:
        self._records[reconciler] = WatchCache(self._client, resource, reduce, on_change=self._index)

    def _caches(self) -> list[WatchCache[Any]]:
        caches: list[WatchCache[Any]] = [*self._records.values(), *self._sources.values()]
        return caches if self._projects is None else [*caches, self._projects]

    def _index(self, _key: Key, old: Record | None, new: Record | None) -> None:
        """Keep the index in step with one owner's change."""
        before = set(old.inventory) if old is not None else set()
        after = set(new.inventory) if new is not None else set()
        if old is not None:
            for gone in before - after:
                left = tuple(ref for ref in self._inventory.get(gone, ()) if ref != old.ref)
                if left:
                    self._inventory[gone] = left
                else:
                    self._inventory.pop(gone, None)
        if new is not None:
            for key in after - before:
                self._inventory[key] = (*self._inventory.get(key, ()), new.ref)
