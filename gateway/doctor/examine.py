"""The examination: each check with the facts that it needs, and what could not be found out, by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.config.files import read_bounded
from gateway.config.model import Config
from gateway.core.errors import ClusterError, ConfigError
from gateway.core.finding import Resource
from gateway.core.subject import Json
from gateway.doctor import certificates, clocks, failed_open, rbac, registrations, replicas, scales
from gateway.doctor.actors import MAX_NAMED, OWN_ACCOUNTS, actors_of, named_by
from gateway.doctor.drivers import writable
from gateway.doctor.grants import check_grants, check_own_kinds
from gateway.doctor.holders import holders, told
from gateway.doctor.reading import Cluster, unreachable
from gateway.doctor.rules import Result, found, undecided
from gateway.doctor.stores import check_store
from gateway.doctor.wanted import as_printed, default_settings, names_of_webhooks
from gateway.kube import KubeClient
from gateway.server.wanted import wanted_registration
from webhooks.drift.caches import OWNERS, PROJECTS
from webhooks.drift.reconcilers.argocd_records import Project
from webhooks.drift.reconcilers.known import reconcilers
from webhooks.drift.reconcilers.records import Record

_T = TypeVar("_T")
_MAX_PEM_BYTES = 1024 * 1024


class Given(msgspec.Struct, frozen=True):
    """What is examined. ``base``: the folder that paths of stores are relative to; ``wanted``: the registration
    as it should be, if it was given; ``audit_log``: of the API server.
    """

    config: Config
    base: Path
    wanted: Json | None = None
    audit_log: Path | None = None


class Report(msgspec.Struct):
    """``checks``: how many were made or tried; ``unreachable``: why the API server was not reached, empty if it was."""

    results: list[Result] = []
    checks: int = 0
    unreachable: str = ""


class Examination:
    """One run of all checks. ``client``: None without a cluster; then ``missing`` says why, and ``broken`` whether there
    was to be one.
    """

    def __init__(
        self, given: Given, client: KubeClient | None, *, missing: str = "no cluster is connected", broken: bool = False
    ) -> None:
        self._config = given.config
        self._given = given
        self._client = client
        self._cluster = Cluster(client) if client is not None else None
        self._missing = missing
        self._settings = default_settings(given.config)
        self._own = given.config.cluster.own_namespace
        self._there: Json | None = None
        self._told: dict[tuple[str, str], replicas.Told] = {}
        self._granted: list[rbac.Grant] | None = None
        self._served: set[scales.ServedResource] | None = None
        self.report = Report(unreachable=missing if broken else "")

    async def run(self) -> Report:
        """Make all checks, one after the other: each is short.

        Raises:
            GovgateError: the audit log that was given cannot be read.
        """
        await self._try("full-access", "RBAC", self._rbac)
        await self._try("registration-changed", "the registration", self._registration)
        await self._try("grant-unseen", "break-glass grants", self._grants)
        await self._try("rules-differ", "replicas", self._replicas)
        await self._try("scale-unreadable", "types with a scale", self._scales)
        await self._try("clock-skew", "the API server's clock", self._clock)
        await self._stores()
        self._audit_log()
        return self.report

    async def _try(self, rule: str, about: str, check: Callable[[Cluster], Awaitable[Sequence[Result]]]) -> None:
        """Make a check; what the API server does not tell leaves it undecided."""
        self.report.checks += 1
        if self._cluster is None or self.report.unreachable:
            self._add([undecided(rule, about, self.report.unreachable or self._missing)])
            return
        try:
            self._add(await check(self._cluster))
        except ClusterError as error:
            if unreachable(error):
                self.report.unreachable = str(error)
            self._add([undecided(rule, about, str(error))])
        except ConfigError as error:
            self._add([undecided(rule, about, str(error))])

    async def _ask(self, rule: str, about: str, question: Awaitable[_T], otherwise: _T) -> _T:
        """An answer that other facts do not depend on; an API server that is away ends the whole check."""
        try:
            return await question
        except ClusterError as error:
            if unreachable(error):
                raise
            self._add([undecided(rule, about, str(error))])
            return otherwise

    async def _rbac(self, cluster: Cluster) -> Sequence[Result]:
        granted = self._granted = rbac.grants(await cluster.roles())
        named = await self._named(cluster)
        if len(named) > MAX_NAMED:
            reason = f"owners name {len(named)} accounts: the first {MAX_NAMED} were looked at"
            self._add([undecided("mint-token", "accounts that owners name", reason)])
            named = dict(list(named.items())[:MAX_NAMED])
        defaults = [f"system:serviceaccount:{self._own}:{name}" for name in OWN_ACCOUNTS]
        own = await self._ask("become-gateway", f"accounts of {self._own}", cluster.accounts(self._own), [])
        actors = actors_of(self._config, named=named, own=dict.fromkeys([*own, *defaults]))
        held = holders(granted, actors, self._own, self._settings.name)
        return told(held, self._config.doctor.accepted)

    async def _named(self, cluster: Cluster) -> dict[str, str]:
        """The accounts that reconcilers' own objects name, of reconcilers that are looked at."""
        known = {one.id for one in reconcilers(self._config.drift)}
        records: list[Record] = []
        for kind in OWNERS:
            if kind.reconciler in known:
                records += await self._ask("mint-token", f"accounts of {kind.resource}", cluster.owners(kind), [])
        projects: dict[tuple[str, str], Project] = {}
        if "argocd" in known:
            projects = await self._ask("mint-token", f"accounts of {PROJECTS}", cluster.projects(), {})
        return named_by(self._config, records, projects)

    async def _grants(self, cluster: Cluster) -> Sequence[Result]:
        grants = await cluster.grants()
        if not any(grant.approved for grant in grants):
            return []
        return check_grants(grants, await cluster.notes(self._own), dt.datetime.now(dt.UTC))

    async def _registration(self, cluster: Cluster) -> Sequence[Result]:
        every = await cluster.registrations()
        kind, name = registrations.KIND, self._settings.name
        there = next((one for one in every if (one["kind"], one["metadata"]["name"]) == (kind, name)), None)
        self._there = there
        wanted = await self._wanted(cluster, there)
        site = await self._site(cluster, every)
        results = registrations.check_registration(name, there, wanted, self._config, site)
        results += check_own_kinds(name, there) if there is not None else []
        results += registrations.check_others(every, name, site)
        about = f"{kind} {name}"
        refused = await self._ask("registration-conditions", about, cluster.would_take(wanted), "")
        if refused:
            results.append(found("registration-conditions", registrations.resource_of(name), refused))
        return results

    async def _wanted(self, cluster: Cluster, there: Json | None) -> Json:
        """Of a file that is here, else of the chart's ConfigMap, else of the configuration, as it was printed."""
        settings = self._settings
        wanted = self._given.wanted or self._filed()
        if wanted is not None:
            return wanted
        about = f"ConfigMap {self._own}/{settings.name}"
        given = await self._ask(
            "registration-changed", about, cluster.registration_file(self._own, settings.name), None
        )
        return given or as_printed(self._config, settings, there)

    def _filed(self) -> Json | None:
        """Of the configured file, if that is on this machine."""
        settings = self._settings
        here = bool(settings.file) and Path(settings.file).exists()
        return wanted_registration(self._config, settings) if here else None

    async def _site(self, cluster: Cluster, every: Sequence[Json]) -> registrations.Site:
        services = {
            service
            for one in every
            for webhook in one.get("webhooks") or ()
            if (service := registrations.service_of(webhook)) is not None
        }
        ready: dict[tuple[str, str], int | None] = {}
        for namespace, name in sorted(services):
            try:
                ready[namespace, name] = await cluster.ready_endpoints(namespace, name)
            except ClusterError as error:
                if unreachable(error):
                    raise
                ready[namespace, name] = None
        labels = {}
        for namespace in (self._own, "kube-system"):
            plain = {"kubernetes.io/metadata.name": namespace}
            labels[namespace] = await self._ask(
                "registration-own-namespace", f"labels of the namespace {namespace}", cluster.labels(namespace), plain
            )
        pods = await self._ask("webhook-blocks-start", "govgate's Pods", self._pods(cluster), [])
        about = "the types that the cluster serves"
        self._served = await self._ask("registration-recovery", about, cluster.served(), None)
        own = [one["metadata"].get("labels") or {} for one in pods]
        types = frozenset(one.name for one in self._served or ())
        written = writable(self._granted) if self._granted is not None else None
        return registrations.Site(self._own, labels, ready, own, types, written)

    async def _pods(self, cluster: Cluster) -> list[Json]:
        return await cluster.pods(self._own, self._settings.service)

    async def _replicas(self, cluster: Cluster) -> Sequence[Result]:
        pods = await self._ask("rules-differ", "govgate's Pods", self._pods(cluster), [])
        told = self._told = await cluster.told(pods, self._config)
        shown = [
            certificates.Shown(
                Resource("v1", "Pod", *key),
                f"the certificate of Pod {'/'.join(key)}",
                one.certificate.encode(),
                served=True,
            )
            for key, one in told.items()
            if one.certificate
        ]
        shown += await self._certificates(cluster)
        results = replicas.check_rules(told)
        if not pods:
            where = f"the Service {self._own}/{self._settings.service}"
            results.append(undecided("rules-differ", where, "no Pods are behind it"))
        results += certificates.check_ends(shown, dt.datetime.now(dt.UTC))
        if self._there is not None:
            results += certificates.check_trust(self._there, shown)
        return results

    async def _certificates(self, cluster: Cluster) -> list[certificates.Shown]:
        shown = []
        settings, files = self._config.controller.certificates, self._config.server.tls
        about = f"Secret {self._own}/{settings.secret_name}"
        pem = await self._ask("certificate-expires", about, cluster.certificate(self._own, settings.secret_name), None)
        if pem is not None or settings.enabled:
            resource = Resource("v1", "Secret", self._own, settings.secret_name)
            shown.append(certificates.Shown(resource, f"the certificate in {about}", pem or b"", served=True))
        if files.cert_file:
            shown += self._file(files.cert_file)
        for webhook in (self._there or {}).get("webhooks") or ():
            bundle = certificates.bundle_of(webhook)
            if certificates.read(bundle):
                where = f"the authority in caBundle of {webhook.get('name')}"
                shown.append(certificates.Shown(registrations.resource_of(self._settings.name), where, bundle))
        return shown

    def _file(self, path: str) -> list[certificates.Shown]:
        try:
            pem = read_bounded(path, max_bytes=_MAX_PEM_BYTES)
        except ConfigError as error:
            self._add([undecided("certificate-expires", path, f"{error} (on this machine)")])
            return []
        return [certificates.Shown(Resource("v1", "File", "", path), f"the certificate in {path}", pem, served=True)]

    async def _scales(self, cluster: Cluster) -> Sequence[Result]:
        pods = await self._ask("scale-unreadable", "govgate's Pods", self._pods(cluster), [])
        accounts = {(self._own, str((one.get("spec") or {}).get("serviceAccountName") or "default")) for one in pods}
        left_out = registrations.unguarded_groups(self._there)
        return scales.check_scales(self._served, self._granted, accounts, self._config.drift.on_error, left_out)

    async def _clock(self, cluster: Cluster) -> Sequence[Result]:
        skew = await cluster.clock()
        return [*replicas.check_clock(*skew), *clocks.check_replicas(self._told, *skew)]

    async def _stores(self) -> None:
        for name, path in sorted(self._config.stores.items()):
            self.report.checks += 1
            self._add(await check_store(name, self._given.base / path, self._client, self._own))

    def _audit_log(self) -> None:
        if self._given.audit_log is None:
            return
        self.report.checks += 1
        webhooks = names_of_webhooks(self._config, self._settings, self._there)
        about = str(self._given.audit_log)
        opened, unreadable = failed_open.read_audit_log(self._given.audit_log, webhooks)
        self._add(failed_open.check_failed_open(opened, self._settings.name))
        if unreadable:
            self._add([undecided("failed-open", about, f"{unreadable} lines are no events")])

    def _add(self, results: Sequence[Result]) -> None:
        self.report.results += results
