"""Facts from watch caches: owners, their sources and projects, and the index of their inventories."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, NamedTuple

import msgspec

from gateway.config.drift import Drift
from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import Json, Subject
from gateway.kube import ApiError, Key, KubeClient, ResourceType, WatchCache
from webhooks.drift.facts import ObjectKey, Owner, OwnerRef
from webhooks.drift.reconcilers import argocd_records, config_sync_records, flux_records, pulumi, tofu
from webhooks.drift.reconcilers.known import reconcilers
from webhooks.drift.reconcilers.records import Record, Reduce

_FLUX_SOURCES = ("gitrepositories", "ocirepositories", "helmrepositories", "buckets", "helmcharts")

_FORBIDDEN = 403

PROJECTS = ResourceType("argoproj.io", ("v1alpha1",), "appprojects")


class Owners(NamedTuple):
    """A kind of owner: which reconciler's, where it is read, and what is kept of one.

    ``decides``: it says who acts, or what is left alone; else it only tells people where an object comes from.
    """

    reconciler: str
    resource: ResourceType
    reduce: Reduce
    decides: bool = True


OWNERS = (
    Owners(
        "flux-kustomization",
        ResourceType("kustomize.toolkit.fluxcd.io", ("v1", "v1beta2"), "kustomizations"),
        flux_records.kustomization,
    ),
    Owners(
        "flux-helmrelease",
        ResourceType("helm.toolkit.fluxcd.io", ("v2", "v2beta2"), "helmreleases"),
        flux_records.helm_release,
    ),
    Owners("argocd", ResourceType("argoproj.io", ("v1alpha1",), "applications"), argocd_records.application),
    Owners(
        "config-sync",
        ResourceType("configsync.gke.io", ("v1beta1", "v1alpha1"), "rootsyncs"),
        config_sync_records.sync,
        decides=False,
    ),
    Owners(
        "config-sync",
        ResourceType("configsync.gke.io", ("v1beta1", "v1alpha1"), "reposyncs"),
        config_sync_records.sync,
        decides=False,
    ),
    Owners("pulumi", ResourceType("pulumi.com", ("v1",), "stacks"), pulumi.stack),
    Owners(
        "tofu-controller",
        ResourceType("infra.contrib.fluxcd.io", ("v1alpha2",), "terraforms"),
        tofu.terraform,
    ),
)
"""Owners that live in the cluster, where their reconciler is looked at."""


class ClusterFacts:
    """The :class:`webhooks.drift.facts.Facts` of a connected cluster.

    Only caches of reconcilers that are looked at are kept. Some are for messages alone: while one of them cannot be
    read, decisions are none the worse (unless the objects of an owner that is gone are to be let go).
    """

    connected = True

    def __init__(self, client: KubeClient, config: Drift) -> None:
        self._client = client
        self._inventory: dict[ObjectKey, tuple[OwnerRef, ...]] = {}
        self._records: dict[str, list[WatchCache[Record]]] = {}
        self._accounts: Counter[str] = Counter()
        self._sources: dict[str, WatchCache[str]] = {}
        self._projects: WatchCache[argocd_records.Project] | None = None
        looked_at = {reconciler.id for reconciler in reconcilers(config)}
        self._needed: list[WatchCache[Any]] = []
        for reconciler, resource, reduce, decides in OWNERS:
            if reconciler in looked_at:
                cache = WatchCache(client, resource, reduce, on_change=self._index)
                self._records.setdefault(reconciler, []).append(cache)
                if decides or config.orphans == "release":
                    self._needed.append(cache)
        if not looked_at.isdisjoint(("flux-kustomization", "flux-helmrelease")):
            for plural in _FLUX_SOURCES:
                resource = ResourceType("source.toolkit.fluxcd.io", ("v1", "v1beta1"), plural)
                self._sources[plural] = WatchCache(client, resource, flux_records.source_url)
        if "argocd" in looked_at:
            kept = partial(argocd_records.project, windows=config.argo_cd.sync_windows.mode is not None)
            self._projects = WatchCache(client, PROJECTS, kept)
            self._needed.append(self._projects)

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
        return {str(cache.resource): cache.synced or cache.problem for cache in self._needed}

    def looks_for(self, reconciler: str) -> bool:
        """Whether its owners live in this cluster, and are watched."""
        return reconciler in self._records

    def problem(self, reconciler: str) -> str:
        """Why this reconciler's owners are not known; empty when they are."""
        for cache in self._records.get(reconciler, ()):
            if not cache.synced and cache in self._needed:
                return f"{cache.resource} could not be read: {cache.problem}"
        if reconciler == "argocd" and self._projects is not None and not self._projects.synced:
            return f"{self._projects.resource} could not be read: {self._projects.problem}"
        return ""

    def owner(self, ref: OwnerRef) -> Owner | None:
        """What is known of the owner, completed with its source's address or its project's accounts."""
        if ref == pulumi.ANY_STACK:
            return Owner(accounts=frozenset(self._accounts)) if "pulumi" in self._records else None
        caches = self._records.get(ref.reconciler, ())
        record = next((found for cache in caches if (found := cache.get(ref.namespace, ref.name)) is not None), None)
        if record is None:
            return None
        plural, namespace, name = record.needs
        if self._projects is not None and plural == PROJECTS.plural:
            return argocd_records.completed(record, self._projects.get(namespace, name) or argocd_records.Project())
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
            found = await self._client.find(resource.path(asked.version, subject.namespace, subject.name))
        except ApiError as error:
            if error.code == _FORBIDDEN:
                raise UndecidedError(_forbidden(resource)) from None
            raise UndecidedError(f"cannot read {resource} {subject.namespace}/{subject.name}: {error}") from None
        except ClusterError as error:
            raise UndecidedError(f"cannot look up what is scaled: {error}") from None
        if found is None:
            raise UndecidedError(f"{resource} {subject.namespace}/{subject.name} is not there to scale")
        return found

    def _caches(self) -> list[WatchCache[Any]]:
        owners = [cache for kinds in self._records.values() for cache in kinds]
        caches: list[WatchCache[Any]] = [*owners, *self._sources.values()]
        return caches if self._projects is None else [*caches, self._projects]

    def _index(self, _key: Key, old: Record | None, new: Record | None) -> None:
        """Keep the index, and the accounts of all Stacks, in step with one owner's change."""
        for record, step in ((old, -1), (new, 1)):
            if record is not None and record.ref.reconciler == "pulumi":
                self._accounts.update(dict.fromkeys(record.owner.accounts, step))
        self._accounts += Counter()
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


def _forbidden(resource: ResourceType) -> str:
    """What is to be done about it: a Scale does not say whose object it scales, and nothing else tells."""
    rule = f'apiGroups: ["{resource.group}"], resources: [{resource.plural}], verbs: [get]'
    return (
        f"what is scaled may not be read: govgate's account needs get on {resource}. With the chart, add "
        f"{{group: {resource.group}, resources: [{resource.plural}]}} to rbac.scaledKinds; else give it a ClusterRole with "
        f"{{{rule}}}"
    )
