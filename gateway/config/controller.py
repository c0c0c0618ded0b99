"""Configuration of ``govgate controller``: its listener, who leads, and its loops."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

KindPattern = Annotated[
    str, Meta(pattern=r"^(\*|([a-z0-9.-]+/)?(\*|[A-Z][A-Za-z0-9]*)|\*/[A-Z][A-Za-z0-9]*)$", max_length=400)
]
"""``group/Kind`` (the core group without one), ``group/*``, ``*/Kind``."""

NamespacePattern = Annotated[str, Meta(pattern=r"^[a-z0-9*?]([a-z0-9*?-]*[a-z0-9*?])?$", max_length=63)]
"""The name of a namespace, or a glob with ``*`` and ``?``."""


ObjectName = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]


class _Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Election(_Section, frozen=True):
    """Which of several controllers works: the holder of a Lease in the gateway's own namespace.

    ``lease_seconds``: for how long others wait once they saw it renewed last. ``renew_seconds``: how long the holder
    tries to renew before it stops working. ``retry_seconds``: between two tries.
    """

    enabled: bool = True
    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)] = "govgate-controller"
    lease_seconds: Annotated[int, Meta(ge=1, le=600)] = 15
    renew_seconds: Annotated[float, Meta(gt=0, le=600)] = 10.0
    retry_seconds: Annotated[float, Meta(gt=0, le=60)] = 2.0


class Reports(_Section, frozen=True):
    """The summary of each namespace that is kept in the cluster. ``max_results``: findings that one lists, worst first."""

    enabled: bool = True
    max_results: Annotated[int, Meta(ge=0, le=500)] = 50


class Scan(_Section, frozen=True):
    """The background scan.

    ``interval_seconds``: from the start of one scan to the start of the next. ``page_objects``: asked for at a time.
    ``concurrency``: types of objects that are read at a time. ``requests_per_second`` and ``burst``: at most, of the API
    server. ``resume_seconds``: an interrupted scan that is older begins anew. ``keep``: complete scans that are kept.
    ``exclude``: types that are not read.
    """

    enabled: bool = True
    interval_seconds: Annotated[float, Meta(ge=1, le=604_800)] = 3600.0
    page_objects: Annotated[int, Meta(ge=1, le=5_000)] = 100
    concurrency: Annotated[int, Meta(ge=1, le=32)] = 2
    requests_per_second: Annotated[float, Meta(gt=0, le=1_000)] = 10.0
    burst: Annotated[int, Meta(ge=1, le=1_000)] = 20
    resume_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 3600.0
    keep: Annotated[int, Meta(ge=1, le=100)] = 1
    exclude: tuple[KindPattern, ...] = (
        "Event",
        "events.k8s.io/Event",
        "coordination.k8s.io/Lease",
        "openreports.io/*",
        "wgpolicyk8s.io/*",
    )
    reports: Reports = Reports()


class Endpoints(_Section, frozen=True):
    """What kubeseal calls: certificate, verification, sealing anew; in plain HTTP, for everybody who reaches it."""

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104 - the API server and clients in the cluster come from other hosts
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080


class Sealed(_Section, frozen=True):
    """SealedSecrets into Secrets.

    ``namespaces``: the claimed ones, by name or glob; none: nothing is done. ``key_namespace``: where the keys are; empty:
    the gateway's own. ``renew_days``: the age at which the newest key is replaced; 0: a key is made only where there is
    none. ``concurrency``: objects that are worked on at a time. ``requests_per_second`` and ``burst``: writes, at most.
    """

    namespaces: Annotated[tuple[NamespacePattern, ...], Meta(max_length=200)] = ()
    key_namespace: Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", max_length=63)] = ""
    renew_days: Annotated[float, Meta(ge=0, le=3650)] = 30.0
    concurrency: Annotated[int, Meta(ge=1, le=32)] = 4
    requests_per_second: Annotated[float, Meta(gt=0, le=1_000)] = 50.0
    burst: Annotated[int, Meta(ge=1, le=1_000)] = 100
    endpoints: Endpoints = Endpoints()


class Certificates(_Section, frozen=True):
    """The webhook's own certificates, made by the controller.

    ``secret_name``: the Secret of the gateway's namespace that servers mount; the authority is in ``NAME-authority``.
    ``service_name``: the Service that the certificate is for. ``webhook_configurations``: registrations that are told whom
    to believe. ``valid_days`` and ``renew_days``: how long a certificate is good, and when before its end it is renewed.
    ``overlap_seconds``: how long a new authority is known everywhere before it signs.
    """

    enabled: bool = False
    secret_name: ObjectName = "govgate-tls"  # noqa: S105 - a name
    service_name: ObjectName = "govgate"
    webhook_configurations: Annotated[tuple[ObjectName, ...], Meta(max_length=20)] = ("govgate",)
    valid_days: Annotated[float, Meta(ge=1, le=825)] = 90.0
    renew_days: Annotated[float, Meta(gt=0, le=800)] = 30.0
    overlap_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 300.0


class Intake(_Section, frozen=True):
    """Where others tell that a secret changed. ``token_file``: holds the bearer token that they show. ``cert_file`` and
    ``key_file``: for TLS; without, it is plain HTTP.
    """

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104 - who tells comes from other hosts
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8082
    token_file: str = ""
    cert_file: str = ""
    key_file: str = ""


class Restarts(_Section, frozen=True):
    """Workloads that opted in are restarted when what their Secrets hold has changed, ``settle_seconds`` after the last change."""

    enabled: bool = False
    settle_seconds: Annotated[float, Meta(ge=0, le=3_600)] = 10.0


class External(_Section, frozen=True):
    """ExternalSecrets into Secrets.

    ``enabled``: whether they are resolved whose stores say ``controller: govgate``. ``namespaces``: the ones that are handed
    over, by name or glob: in these also those whose stores say nothing. ``concurrency``: objects that are worked on at a
    time, ``namespace_concurrency``: of one namespace. ``requests_per_second`` and ``burst``: writes, at most, of the API
    server. ``store_requests_per_second``: reads, at most, of each store. ``open_stores``: logged in to and connected,
    at most; ``store_threads``: that wait for the answers of Vault and AWS, of all stores. ``cache_bytes`` and ``namespace_cache_bytes``: of
    what was read, at most, in all and for one namespace. ``poll_seconds``: between two looks at the version of each path; 0:
    there are none. ``min_refresh_seconds``: between two refreshes of one object, whatever its interval says. ``revoke_grace_seconds``: before a lease is ended that
    was replaced. ``shards``: so many controllers share the work, by namespace; ``shard``: which of them this is, from 0; -1:
    the number at the end of the host's name, as a StatefulSet gives it.
    """

    enabled: bool = False
    namespaces: Annotated[tuple[NamespacePattern, ...], Meta(max_length=200)] = ()
    concurrency: Annotated[int, Meta(ge=1, le=256)] = 32
    namespace_concurrency: Annotated[int, Meta(ge=1, le=256)] = 8
    requests_per_second: Annotated[float, Meta(gt=0, le=5_000)] = 300.0
    burst: Annotated[int, Meta(ge=1, le=5_000)] = 300
    store_requests_per_second: Annotated[float, Meta(gt=0, le=10_000)] = 200.0
    open_stores: Annotated[int, Meta(ge=1, le=10_000)] = 500
    store_threads: Annotated[int, Meta(ge=1, le=512)] = 64
    cache_bytes: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 32 * 1024 * 1024
    namespace_cache_bytes: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 8 * 1024 * 1024
    poll_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    min_refresh_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 10.0
    revoke_grace_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 300.0
    intake: Intake = Intake()
    restarts: Restarts = Restarts()
    shards: Annotated[int, Meta(ge=1, le=64)] = 1
    shard: Annotated[int, Meta(ge=-1, le=63)] = -1


class Controller(_Section, frozen=True):
    """The controller. ``health_port`` serves /livez, /readyz and /metrics in plain HTTP."""

    health_host: str = "0.0.0.0"  # noqa: S104 - kubelet probes come from the node
    health_port: Annotated[int, Meta(ge=0, le=65_535)] = 8081
    election: Election = Election()
    scan: Scan = Scan()
    sealed: Sealed = Sealed()
    certificates: Certificates = Certificates()
    external: External = External()
