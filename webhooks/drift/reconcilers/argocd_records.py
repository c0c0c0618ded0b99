"""What is kept of Argo CD's own objects: Applications, and the service accounts that AppProjects impersonate.

Sources: argo-cd ``pkg/apis/application/v1alpha1/types.go`` and ``util/settings/impersonation.go`` (v3).
"""

from __future__ import annotations

import msgspec

from gateway.core.subject import Json
from webhooks.drift.facts import IgnoreRule, ObjectKey, Owner, OwnerRef, Source
from webhooks.drift.managed import metadata, string_map
from webhooks.drift.reconcilers.records import (
    MAX_INVENTORY,
    MAX_RULES,
    Record,
    objects,
    public_url,
    section,
    text,
    texts,
)
from webhooks.drift.selectors import glob

IN_CLUSTER = "https://kubernetes.default.svc"


class DestinationAccount(msgspec.Struct, frozen=True):
    """One entry of an AppProject's ``destinationServiceAccounts``; ``server`` and ``namespace`` are globs."""

    server: str
    namespace: str
    account: str


def application(obj: Json) -> Record:
    """An Application (``argoproj.io/v1alpha1``)."""
    meta = metadata(obj)
    ref = OwnerRef("argocd", text(meta.get("namespace")), text(meta.get("name")))
    spec, status = section(obj, "spec"), section(obj, "status")
    skipped = str(string_map(obj, "annotations").get("argocd.argoproj.io/skip-reconcile", "")).casefold() == "true"
    destination = section(spec, "destination")
    server = text(destination.get("server"))
    if not server and text(destination.get("name")) == "in-cluster":
        server = IN_CLUSTER
    return Record(
        ref=ref,
        owner=Owner(
            paused="argocd.argoproj.io/skip-reconcile: true" if skipped else "",
            ignore=_ignore(spec),
            source=_source(spec, status),
        ),
        inventory=_inventory(status) if server == IN_CLUSTER else (),
        needs=("appprojects", ref.namespace, text(spec.get("project")) or "default"),
        destination=(server, text(destination.get("namespace"))),
    )


def destination_accounts(obj: Json) -> tuple[DestinationAccount, ...]:
    """The accounts that an AppProject lets its Applications be synced with, in order."""
    listed = section(obj, "spec").get("destinationServiceAccounts")
    return tuple(
        DestinationAccount(text(d.get("server")), text(d.get("namespace")), text(d.get("defaultServiceAccount")))
        for d in objects(listed)
    )


def account_for(record: Record, accounts: tuple[DestinationAccount, ...]) -> frozenset[str]:
    """The user name that Argo CD impersonates for this Application: of the first entry that matches, if any."""
    server, namespace = record.destination
    for entry in accounts:
        if glob(entry.server, server) and glob(entry.namespace, namespace):
            account = entry.account.strip()
            if not account:
                return frozenset()
            if ":" in account:
                return frozenset((f"system:serviceaccount:{account}",))
            return frozenset((f"system:serviceaccount:{namespace or record.ref.namespace}:{account}",))
    return frozenset()


def _inventory(status: Json) -> tuple[ObjectKey, ...]:
    """What it lists. Of an application with another destination that is elsewhere, whatever has these names here."""
    return tuple(
        ObjectKey(text(r.get("group")), text(r.get("kind")), text(r.get("namespace")), text(r.get("name")))
        for r in list(objects(status.get("resources")))[:MAX_INVENTORY]
    )


def _ignore(spec: Json) -> tuple[IgnoreRule, ...]:
    return tuple(
        IgnoreRule(
            group=text(rule.get("group")),
            kind=text(rule.get("kind")),
            name=text(rule.get("name")),
            namespace=text(rule.get("namespace")),
            pointers=texts(rule.get("jsonPointers")),
            expressions=texts(rule.get("jqPathExpressions")),
            managers=texts(rule.get("managedFieldsManagers")),
            exact=True,
        )
        for rule in list(objects(spec.get("ignoreDifferences")))[:MAX_RULES]
    )


def _source(spec: Json, status: Json) -> Source:
    """The source, or the first of several; the revision as synced, else as asked for."""
    several = list(objects(spec.get("sources")))
    source = section(spec, "source") or (several[0] if several else {})
    sync = section(status, "sync")
    synced = text(sync.get("revision")) or next(iter(texts(sync.get("revisions"))), "")
    return Source(
        repository=public_url(text(source.get("repoURL"))),
        path=text(source.get("path")) or text(source.get("chart")),
        revision=synced or text(source.get("targetRevision")),
    )
