"""What is counted. Make these after ``metric_files.identify``, and once in a process."""

from __future__ import annotations

import platform
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway import __version__
from gateway.audit.recorder import RecorderStats
from gateway.core.finding import Action
from gateway.core.subject import Subject
from gateway.core.verdict import Verdict
from gateway.provenance.metrics import ProvenanceMetrics

RESULTS = ("allowed", "denied", "undecided", "malformed", "shed", "unrecorded", "error")
"""What can become of a request; ``unrecorded``: refused because the decision could not be recorded."""
LIMITS = ("concurrency", "memory", "audit")
"""What a request may be shed for."""
RARE = tuple(
    (guard, operation) for guard in ("break-glass", "break-glass-use") for operation in ("CREATE", "UPDATE", "DELETE")
)
"""Guards that somebody is to hear of when they warn once, and operations: counted from 0, or the first would be no increase."""
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. API servers give up after 10 by default."""


class WorkerMetrics:
    """Metrics of the admission listener."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        requests = Counter(
            "govgate_admission_requests",
            f"Requests answered: {', '.join(RESULTS)}",
            ["result"],
            registry=registry,
        )
        malformed = Counter(
            "govgate_admission_malformed", "Requests that were no review to judge", ["reason"], registry=registry
        )
        shed = Counter(
            "govgate_admission_shed",
            "Requests refused with 503, by the limit that was met",
            ["limit"],
            registry=registry,
        )
        self._decisions = Counter(
            "govgate_admission_decisions",
            "What each guard said; dry runs apart",
            ["guard", "operation", "decision", "dry_run"],
            registry=registry,
        )
        for guard, operation in RARE:
            self._decisions.labels(guard, operation, Action.WARN.value, "false")
        self.duration = Histogram(
            "govgate_admission_duration_seconds",
            "From the end of a request's headers to its answer, for reviews that were judged",
            buckets=BUCKETS,
            registry=registry,
        )
        self.bad_deadlines = Counter(
            "govgate_admission_invalid_timeouts",
            "Requests whose timeout parameter was no duration; they had the default",
            registry=registry,
        )
        self.late_lost = Counter(
            "govgate_policy_late_lost",
            "Answered requests about which late rules (Kyverno's) were not asked: there was no room",
            registry=registry,
        )
        refused_connections = Counter(
            "govgate_connections_refused",
            "Connections closed as they came: too many, or a client name that is not allowed",
            ["reason"],
            registry=registry,
        )
        self.provenance = ProvenanceMetrics(registry)
        self.request = _remembered(requests, *RESULTS)
        self.malformed = _remembered(malformed)
        self.shed = _remembered(shed, *LIMITS)
        self.refused_connection = _remembered(refused_connections)
        self._decision: dict[tuple[str, str, str, bool], Callable[[], None]] = {}

    def decided(self, subject: Subject, verdict: Verdict) -> None:
        """Count what each guard said about ``subject``."""
        for guard, decision in by_guard(verdict).items():
            key = (guard, subject.operation, decision, subject.dry_run)
            count = self._decision.get(key)
            if count is None:
                dry_run = "true" if subject.dry_run else "false"
                count = self._decisions.labels(guard, subject.operation, decision, dry_run).inc
                self._decision[key] = count
            count()


def by_guard(verdict: Verdict) -> dict[str, str]:
    """Each guard's own decision, the gravest: deny, indeterminate, warn, audit, else allow."""
    said = {reason.partition(":")[0]: "allow" for reason in verdict.reasons}
    found: dict[str, set[str]] = {}
    for finding in verdict.findings:
        action = Action.AUDIT if finding.exception is not None else finding.action
        found.setdefault(finding.guard, set()).add(action.value)
    for unsure in verdict.indeterminate:
        found.setdefault(unsure.guard, set()).add("indeterminate")
    for guard, decisions in found.items():
        said[guard] = next(d for d in ("deny", "indeterminate", "warn", "audit") if d in decisions)
    return said


class SupervisorMetrics:
    """Metrics of the supervisor itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.restarts = Counter("govgate_worker_restarts", "Workers started again after they ended", registry=registry)
        self.recycled = Counter(
            "govgate_worker_recycled",
            "Workers replaced because evaluations of rules would not end",
            registry=registry,
        )
        self.writer_restarts = Counter(
            "govgate_audit_writer_restarts", "Audit writers started again after they ended", registry=registry
        )
        self.config_reloads = Counter(
            "govgate_config_reloads",
            "Configurations that changed, by result: success or failure",
            ["result"],
            registry=registry,
        )
        for result in ("success", "failure"):
            self.config_reloads.labels(result)
        self.config_in_force = Gauge(
            "govgate_config_in_force",
            "1 if the configuration and the rules that lie in the files now are in force, 0 if older ones are",
            multiprocess_mode="max",
            registry=registry,
        )
        self.config_in_force.set(1)
        self.tls_reloads = Counter("govgate_tls_reloads", "Certificates put in force", registry=registry)
        self.tls_failures = Counter(
            "govgate_tls_reload_failures", "New certificates that were wrong; the old one stayed", registry=registry
        )
        self.tls_in_force = Gauge(
            "govgate_tls_in_force",
            "1 if the certificate that lies in the files now is served, 0 if an older one is",
            multiprocess_mode="max",
            registry=registry,
        )
        self.tls_in_force.set(1)
        self.tls_expiry = Gauge(
            "govgate_tls_certificate_expiry_timestamp_seconds",
            "When the served certificate expires",
            multiprocess_mode="max",
            registry=registry,
        )
        self.registration = Gauge(
            "govgate_registration_state",
            "1 if the watched registration is as it should be, 0 if it is not or cannot be read",
            ["name"],
            multiprocess_mode="max",
            registry=registry,
        )
        self.registration_restored = Counter(
            "govgate_registration_restored", "Registrations put back as they should be", registry=registry
        )
        build = Gauge(
            "govgate_build_info", "Always 1", ["version", "python"], multiprocess_mode="max", registry=registry
        )
        build.labels(__version__, platform.python_version()).set(1)


class WorkerGauges:
    """The state of a worker and its recorder, taken once a second."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._recorded = Counter("govgate_audit_recorded", "Decisions that are on disk", registry=registry)
        self._lost = Counter("govgate_audit_lost", "Decisions answered and not recorded", registry=registry)
        self._records = Gauge(
            "govgate_audit_queued_records",
            "Records on their way to the disk",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._bytes = Gauge(
            "govgate_audit_queued_bytes",
            "Bytes of records on their way to the disk",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._lag = Gauge(
            "govgate_audit_lag_seconds",
            "Age of the oldest record that is not on disk",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._connected = Gauge(
            "govgate_audit_connected",
            "1 if every worker reaches the writer",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._full = Gauge(
            "govgate_audit_full",
            "1 if the log has no room: its disk or its configured size is full",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._in_flight = Gauge(
            "govgate_admission_in_flight_requests",
            "Requests being read or judged",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._overrunning = Gauge(
            "govgate_policy_overrunning_evaluations",
            "Evaluations of rules that were answered at their deadline and still run; their worker is replaced",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._problems = Gauge(
            "govgate_policy_problems",
            "Rules of the cluster that are not in force, or not as they are now; /readyz?verbose names them",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._seen = RecorderStats()

    def update(self, in_flight: int, stats: RecorderStats, *, overrunning: int, problems: int) -> None:
        """Take over the state of the moment."""
        self._problems.set(problems)
        self._in_flight.set(in_flight)
        self._overrunning.set(overrunning)
        self._recorded.inc(stats.recorded - self._seen.recorded)
        self._lost.inc(stats.lost - self._seen.lost)
        self._seen = stats
        self._records.set(stats.queued_records)
        self._bytes.set(stats.queued_bytes)
        self._lag.set(stats.lag_seconds)
        self._connected.set(int(stats.connected))
        self._full.set(int(bool(stats.full)))


def _remembered(counter: Counter, *known: str) -> Callable[[str], None]:
    """Count under one label; children are looked up once: a lookup costs more than the count. ``known`` start at 0."""
    children: dict[str, Callable[[], None]] = {label: counter.labels(label).inc for label in known}

    def count(label: str) -> None:
        increase = children.get(label)
        if increase is None:
            increase = children[label] = counter.labels(label).inc
        increase()

    return count
