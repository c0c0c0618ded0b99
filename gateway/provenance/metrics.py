"""What provenance counts, for Prometheus: in workers of the server, and in the controller."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.provenance.meter import ERRORS, Answer, Event, Outcome

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds. The first ones are of registries nearby, the last is the longest that a look-up may be given."""


class ProvenanceMetrics:
    """For Prometheus. Make one in a process, and give it to all that verify there."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._requests = Counter(
            "govgate_provenance_registry_requests",
            f"Requests to registries and token servers, by what became of them: ok, {', '.join(ERRORS)}",
            ["result"],
            registry=registry,
        )
        self._verifications = Counter(
            "govgate_provenance_verifications",
            "Look-ups of an artifact for a policy, by outcome: satisfied, refused, undecided, or the class of the error",
            ["outcome"],
            registry=registry,
        )
        self._cache = Counter(
            "govgate_provenance_cache_events",
            "Evidence that was there (hit), that was not (miss), that had to go for other evidence (eviction)",
            ["event"],
            registry=registry,
        )
        self._seconds = Histogram(
            "govgate_provenance_verification_seconds",
            "Of a look-up of an artifact for a policy, requests to its registry included",
            buckets=_BUCKETS,
            registry=registry,
        )
        for result in ("ok", *ERRORS):
            self._requests.labels(result)
        for outcome in ("satisfied", "refused", "undecided", *ERRORS):
            self._verifications.labels(outcome)
        for event in ("hit", "miss", "eviction"):
            self._cache.labels(event)

    def requested(self, answer: Answer) -> None:
        """See :class:`gateway.provenance.meter.Meter`."""
        self._requests.labels(answer).inc()

    def verified(self, outcome: Outcome, seconds: float) -> None:
        """See :class:`gateway.provenance.meter.Meter`."""
        self._verifications.labels(outcome).inc()
        self._seconds.observe(seconds)

    def cached(self, event: Event) -> None:
        """See :class:`gateway.provenance.meter.Meter`."""
        self._cache.labels(event).inc()
