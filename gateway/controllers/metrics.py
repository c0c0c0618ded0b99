"""What the controller counts."""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway import __version__


class ControllerMetrics:
    """Of the controller itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "govgate_controller_leading", "1 while this controller holds the lease and works", registry=registry
        )
        self.loop_failures = Counter(
            "govgate_controller_loop_failures", "Loops that ended and were begun again", ["loop"], registry=registry
        )
        build = Gauge("govgate_build_info", "Always 1", ["version", "python"], registry=registry)
        build.labels(__version__, platform.python_version()).set(1)


class ReloadMetrics:
    """Of the process, whose configurations come and go, each with a registry of its own."""

    def __init__(self) -> None:
        self._reloads = Counter(
            "govgate_config_reloads",
            "Configurations that changed, by result: success or failure",
            ["result"],
            registry=None,
        )
        self._succeeded, self._failed = self._reloads.labels("success"), self._reloads.labels("failure")
        self._in_force = Gauge(
            "govgate_config_in_force",
            "1 if the configuration that lies in the file now is in force, 0 if an older one is",
            registry=None,
        )
        self._in_force.set(1)

    def reloaded(self, *, well: bool) -> None:
        """A configuration was read anew: it can be used, or the old one goes on."""
        (self._succeeded if well else self._failed).inc()
        self._in_force.set(int(well))

    def show_in(self, registry: CollectorRegistry) -> None:
        """Have this registry show them too."""
        registry.register(self._reloads)
        registry.register(self._in_force)


class ScanMetrics:
    """Of the background scan. Gauges are of the last whole scan."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Counter(
            "govgate_scan_runs",
            "Scans by result: complete, incomplete (some types could not be read), interrupted (by other rules), failed",
            ["result"],
            registry=registry,
        )
        for result in ("complete", "incomplete", "interrupted", "failed"):
            self.runs.labels(result)
        self.objects = Counter("govgate_scan_objects", "Objects judged", registry=registry)
        self.requests = Counter(
            "govgate_scan_requests", "Requests made of the API server to read objects", registry=registry
        )
        self.restarts = Counter(
            "govgate_scan_lists_expired", "Lists that expired before they were read", registry=registry
        )
        self.finished = Gauge(
            "govgate_scan_last_finish_timestamp_seconds", "When the last whole scan was whole", registry=registry
        )
        self.duration = Gauge(
            "govgate_scan_last_duration_seconds", "How long it took, interruptions included", registry=registry
        )
        self.judged = Gauge("govgate_scan_judged_objects", "Objects that it judged", registry=registry)
        self.results = Gauge(
            "govgate_scan_results",
            "Pairs of an object and a rule, by result: pass, fail, warn, error, skip",
            ["result"],
            registry=registry,
        )
        self.problems = Gauge("govgate_scan_unread_types", "Types that could not be read", registry=registry)
        self.overrunning = Gauge(
            "govgate_policy_overrunning_evaluations",
            "Evaluations of rules that were answered at their deadline and still run; the process is replaced",
            registry=registry,
        )
        self.reports = Counter(
            "govgate_scan_reports",
            "Summaries of namespaces, by result: written, unchanged, removed, failed",
            ["result"],
            registry=registry,
        )
        for result in ("written", "unchanged", "removed", "failed"):
            self.reports.labels(result)
        self.reports_served = Gauge(
            "govgate_scan_reports_served",
            "1 if the cluster serves a type of reports: openreports.io or wgpolicyk8s.io",
            registry=registry,
        )


class SealedMetrics:
    """Of SealedSecrets. Counts of claimed ones by what became of them last."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.looks = Counter(
            "govgate_sealed_reconciles",
            "Looks at a SealedSecret, by result: created, updated, unchanged, refused, denied (by the API server), gone, "
            "failed (tried again)",
            ["result"],
            registry=registry,
        )
        for result in ("created", "updated", "unchanged", "refused", "denied", "gone", "failed"):
            self.looks.labels(result)
        self.objects = Gauge(
            "govgate_sealed_secrets",
            "Claimed SealedSecrets, by state: synced, refused, failing",
            ["state"],
            registry=registry,
        )
        for state in ("synced", "refused", "failing"):
            self.objects.labels(state)
        self.waiting = Gauge("govgate_sealed_queue_length", "SealedSecrets that wait for a look", registry=registry)
        self.overwritten = Counter(
            "govgate_sealed_overwritten", "Secrets of claimed SealedSecrets that somebody else wrote", registry=registry
        )
        self.keys = Gauge("govgate_sealed_keys", "Sealing keys", registry=registry)
        self.newest = Gauge(
            "govgate_sealed_newest_key_timestamp_seconds",
            "From when on the newest key's certificate is good",
            registry=registry,
        )
        self.not_backed_up = Gauge(
            "govgate_sealed_keys_not_backed_up", "Sealing keys that are in no backup that was noted", registry=registry
        )
        self.backup_age = Gauge(
            "govgate_sealed_key_backup_age_seconds",
            "Since the sealing keys were backed up last; +Inf if they never were",
            registry=registry,
        )


class CertificateMetrics:
    """Of the certificates that the controller makes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expiry = Gauge(
            "govgate_certificates_expiry_timestamp_seconds",
            "When they end: the authority, and the certificate that is served",
            ["certificate"],
            registry=registry,
        )


class ExternalMetrics:
    """Of ExternalSecrets. Counts of claimed ones by what became of them last."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.looks = Counter(
            "govgate_external_reconciles",
            "Looks at an ExternalSecret, by result: created, updated, deleted, unchanged, refused, waiting (for a store), "
            "unclaimed, gone, failed (tried again)",
            ["result"],
            registry=registry,
        )
        for result in (
            "created", "updated", "deleted", "unchanged", "refused", "waiting", "unclaimed", "gone", "failed",
        ):  # fmt: skip
            self.looks.labels(result)
        self.objects = Gauge(
            "govgate_external_secrets",
            "Claimed ExternalSecrets, by state: synced, refused, waiting, failing",
            ["state"],
            registry=registry,
        )
        self.waiting = Gauge("govgate_external_queue_length", "ExternalSecrets that wait for a look", registry=registry)
        self.not_ready = Gauge(
            "govgate_external_not_ready",
            "1 for each ExternalSecret, PushSecret, SecretStore and ClusterSecretStore of govgate's that is not ready: the first 500",
            ["kind", "namespace", "name"],
            registry=registry,
        )
        self.stores_by_state = Gauge(
            "govgate_external_stores",
            "Claimed stores, by state: valid, unknown (read with each namespace's own credentials), failed",
            ["state"],
            registry=registry,
        )
        self.requests = Counter(
            "govgate_external_store_requests",
            "Questions to stores, by provider and what came of them: answered, notFound, forbidden, throttled, unavailable, "
            "misconfigured, unusable",
            ["provider", "outcome"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "govgate_external_store_request_seconds",
            "How long they took, with waiting for a turn, logging in and trying again",
            ["provider"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.logins = Counter(
            "govgate_external_store_logins",
            "Logins to stores and for VaultDynamicSecrets, by provider and what came of them, as of questions",
            ["provider", "outcome"],
            registry=registry,
        )
        self.stores = Gauge("govgate_external_open_stores", "Stores that are open", registry=registry)
        self.kept = Gauge("govgate_external_cache_bytes", "Of what was read and is kept", registry=registry)
        self.reads = Counter("govgate_external_store_reads", "Reads of stores", registry=registry)
        self.hits = Counter(
            "govgate_external_shared_reads", "Reads that another one's answer served", registry=registry
        )
        self.restarts = Counter(
            "govgate_external_restarts",
            "Workloads restarted, since their Secrets hold something else",
            registry=registry,
        )
        self.notices = Counter("govgate_external_notices", "Changes that others told of", registry=registry)
        self.contested = Counter(
            "govgate_external_contested", "Claimed ExternalSecrets that somebody else worked on", registry=registry
        )


class ClusterExternalMetrics:
    """Of ClusterExternalSecrets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Gauge(
            "govgate_cluster_external_secrets",
            "Claimed ClusterExternalSecrets, by state: synced, failed (in some namespaces), mixed (only in part govgate's)",
            ["state"],
            registry=registry,
        )


class ClusterPushMetrics:
    """Of ClusterPushSecrets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Gauge(
            "govgate_cluster_push_secrets",
            "Claimed ClusterPushSecrets, by state: synced, failed (in some namespaces), mixed (only in part govgate's)",
            ["state"],
            registry=registry,
        )


class PushMetrics:
    """Of PushSecrets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Gauge(
            "govgate_external_push_secrets",
            "Claimed PushSecrets, by state: synced, failed, mixed (only in part govgate's)",
            ["state"],
            registry=registry,
        )
        self.changes = Counter(
            "govgate_external_pushes",
            "Values of PushSecrets, each time that a store is asked about one: pushed (or there already), kept (what was there, by "
            "IfNotExists), removed, failed",
            ["result"],
            registry=registry,
        )
        for result in ("pushed", "kept", "removed", "failed"):
            self.changes.labels(result)
