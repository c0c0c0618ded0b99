"""What replicas tell of themselves: by which rules each worker judges. And the clock. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from gateway.core.finding import Resource, Severity
from gateway.doctor.rules import Result, found

SKEW_SECONDS = 5.0
GRAVE_SECONDS = 60.0


class Told(msgspec.Struct, frozen=True):
    """The answer of one replica at ``/rules``. ``problem``: why there is none. ``ahead``: as :func:`gateway.doctor.clocks.ahead_of`."""

    version: str = ""
    workers: Mapping[str, str] = {}
    certificate: str = ""
    problem: str = ""
    ahead: tuple[float, float] | None = None


def check_rules(told: Mapping[tuple[str, str], Told]) -> list[Result]:
    """Replicas, by namespace and name, that tell nothing, or judge by other rules than most."""
    results: list[Result] = []
    counted = Counter(digest for one in told.values() for digest in one.workers.values() if digest)
    usual = counted.most_common(1)[0][0] if counted else ""
    for (namespace, name), one in sorted(told.items()):
        pod = Resource("v1", "Pod", namespace, name)
        if one.problem or not one.workers:
            results.append(found("replica-silent", pod, f"it does not tell its rules: {one.problem or 'no worker'}"))
            continue
        for worker, digest in sorted(one.workers.items()):
            if not digest:
                results.append(found("replica-silent", pod, f"worker {worker} is not ready", field=f"worker-{worker}"))
            elif digest != usual:
                text = f"worker {worker} judges by {digest}, most by {usual}"
                results.append(found("rules-differ", pod, text, field=f"worker-{worker}"))
    versions = {one.version for one in told.values() if one.version}
    if len(versions) > 1:
        (namespace, name), *_ = sorted(told)
        text = f"replicas are of several versions: {', '.join(sorted(versions))}"
        results.append(
            found(
                "rules-differ", Resource("v1", "Pod", namespace, name), text, field="version", severity=Severity.MEDIUM
            )
        )
    return results


def check_clock(skew_seconds: float, uncertain_seconds: float) -> list[Result]:
    """``skew_seconds``: how far the API server's clock is ahead; ``uncertain_seconds``: as well as that is known."""
    certain = abs(skew_seconds) - uncertain_seconds
    if certain <= SKEW_SECONDS:
        return []
    ahead = "ahead of" if skew_seconds > 0 else "behind"
    text = f"the API server's clock is {abs(skew_seconds):.0f} s {ahead} this machine's"
    severity = Severity.HIGH if certain > GRAVE_SECONDS else None
    return [found("clock-skew", Resource("v1", "Cluster", "", "kubernetes"), text, severity=severity)]
