"""What is kept of Argo CD's own objects: Applications; of AppProjects accounts to impersonate, and sync windows.

Sources: argo-cd ``pkg/apis/application/v1alpha1/types.go`` and ``util/settings/impersonation.go`` (v3).
"""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from gateway.core.subject import Json
from webhooks.drift.facts import IgnoreRule, ObjectKey, Owner, OwnerRef, Source, SyncWindow
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

_DURATION = re.compile(r"(?:\d+(?:\.\d*)?[hms])+")
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_MAX_DURATION_CHARS = 50
_CRON_FIELDS = 5
IN_CLUSTER = "https://kubernetes.default.svc"


class DestinationAccount(msgspec.Struct, frozen=True):
    """One entry of an AppProject's ``destinationServiceAccounts``; ``server`` and ``namespace`` are globs."""

    server: str
    namespace: str
    account: str


class ProjectWindow(msgspec.Struct, frozen=True):
    """A sync window with the globs of the Applications, namespaces and clusters that it concerns; ``every``: all three."""

    window: SyncWindow
    applications: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    every: bool = False


class Project(msgspec.Struct, frozen=True):
    """What is kept of an AppProject."""

    accounts: tuple[DestinationAccount, ...] = ()
    windows: tuple[ProjectWindow, ...] = ()


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
        clusters=tuple(filter(None, (text(destination.get("name")), text(destination.get("server"))))),
    )


def project(obj: Json, *, windows: bool) -> Project:
    """An AppProject (``argoproj.io/v1alpha1``); its sync windows only where they are heeded."""
    spec = section(obj, "spec")
    accounts = tuple(
        DestinationAccount(text(d.get("server")), text(d.get("namespace")), text(d.get("defaultServiceAccount")))
        for d in objects(spec.get("destinationServiceAccounts"))
    )
    listed = list(objects(spec.get("syncWindows")))[:MAX_RULES] if windows else []
    return Project(accounts, tuple(_window(one) for one in listed))


def completed(record: Record, project: Project) -> Owner:
    """The Application's owner facts, with its project's account and sync windows."""
    return msgspec.structs.replace(
        record.owner,
        accounts=account_for(record, project.accounts),
        windows=windows_for(record, project.windows),
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


def windows_for(record: Record, windows: tuple[ProjectWindow, ...]) -> tuple[SyncWindow, ...]:
    """The sync windows that concern this Application: by any of its names, or by all that the window has globs for."""
    return tuple(one.window for one in windows if _concerns(one, record))


def _concerns(one: ProjectWindow, record: Record) -> bool:
    named = (
        (one.applications, (record.ref.name,)),
        (one.clusters, record.clusters),
        (one.namespaces, (record.destination[1],)),
    )
    found = [any(glob(p, name) for p in patterns for name in names) for patterns, names in named if patterns]
    return bool(found) and (all(found) if one.every else any(found))


def _window(one: Json) -> ProjectWindow:
    schedule = text(one.get("schedule")).replace("?", "*")
    kind, length = text(one.get("kind")), _duration(text(one.get("duration")))
    readable = kind in {"allow", "deny"} and not _differs(schedule)
    return ProjectWindow(
        SyncWindow(
            denies=kind == "deny",
            schedule=schedule,
            length=length if readable else None,
            time_zone=text(one.get("timeZone")),
            manual=one.get("manualSync") is True,
        ),
        texts(one.get("applications")),
        texts(one.get("namespaces")),
        texts(one.get("clusters")),
        every=one.get("andOperator") is True,
    )


def _differs(schedule: str) -> bool:
    """Whether Argo CD's cron reads it differently: days of month *or* week, where one of them is a step over all."""
    fields = schedule.split()
    days = (fields[2], fields[4]) if len(fields) == _CRON_FIELDS else ()
    return any(day.startswith("*/") for day in days) and "*" not in days


def _duration(value: str) -> timedelta | None:
    """As Go writes it (``1h30m``), None for what is not readable."""
    if len(value) > _MAX_DURATION_CHARS or not _DURATION.fullmatch(value):
        return None
    parts = re.findall(r"([\d.]+)([hms])", value)
    try:
        return sum((timedelta(seconds=float(number) * _SECONDS[unit]) for number, unit in parts), timedelta())
    except (OverflowError, ValueError):
        return None


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
