"""``make bench``: measure, compare with the goals, write ``bench-results/<time>.json``. Says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import decision, environment, server

RESULTS = Path("bench-results")


def main() -> int:
    """Run everything; the exit code says whether it ran, not whether goals were met."""
    subprocess.run([sys.executable, "tools/build.py", "loadgen"], check=True)
    results: dict[str, Any] = {"environment": environment.stamp()}
    say("drift decision …")
    results["decision"] = decision.measure()
    say("server under load …")
    with tempfile.TemporaryDirectory(prefix="govgate-bench-") as folder:
        results["server"] = server.measure(Path(folder))
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{results['environment']['time'].replace(':', '')}.json"
    target.write_text(json.dumps(results, indent=2), encoding="utf-8")
    report(results)
    say(f"written to {target}")
    return 0


def report(results: dict[str, Any]) -> None:
    """Each figure beside its goal."""
    decided, served = results["decision"], results["server"]
    growth = served["resident_mib_end"] - served["resident_mib_unique"]
    first = served["first"]
    rows = [
        ("drift decision, 10 kB object, median", f"{decided['decision_us']['p50']} µs", "≤ 100 µs"),
        ("drift decision, 99th percentile", f"{decided['decision_us']['p99']} µs", ""),
        (
            "managed fields of those objects",
            f"{min(decided['managed_fields'])}-{max(decided['managed_fields'])}",
            "200",
        ),
        ("decoding a review", f"{decided['decode_us']['p50']} µs", ""),
        ("reviews/s, one worker, audit batched", _rate(served["throughput"]), "≥ 4,000"),
        ("  a bare handler here, doing nothing", _rate(served["bare"]), ""),
        ("  a bare handler here, burning 100 µs", _rate(served["bare_burning"]), "6,100 elsewhere"),
        ("reviews/s, every body different", _rate(served["throughput_unique_bodies"]), ""),
        ("reviews/s, audit durable, 64 connections", _rate(served["throughput_durable"]), ""),
        ("reviews/s with the default rules too", _rate(served["throughput_with_rules"]), ""),
        ("resident per worker with them", f"{served['resident_mib_with_rules']} MiB", ""),
        ("p99 at 2,000 reviews/s", f"{served['half_load']['p99Ms']:.2f} ms", "≤ 5 ms"),
        ("p99 at half of what was reached", f"{served['half_of_reached']['p99Ms']:.2f} ms", ""),
        ("resident, worker, warm", f"{served['resident_mib_start']} MiB", "≤ 110 MiB"),
        ("resident after 200,000 more", f"{served['resident_mib_end']} MiB ({growth:+.1f})", "no growth"),
        ("ready after", f"{served['ready_seconds']} s", "≤ 1.5 s"),
        (
            "first request after readiness",
            f"{first['firstMs']:.1f} ms, {'right' if _right(first) else 'WRONG'}",
            "right",
        ),
    ]
    for what, value, goal in rows:
        sys.stdout.write(f"{what:44} {value:>32}   {goal}\n")


def _rate(measured: dict[str, Any]) -> str:
    failed = f", {measured['failed']} FAILED" if measured["failed"] else ""
    return f"{measured['perSecond']:,.0f} (p99 {measured['p99Ms']:.1f} ms{failed})"


def _right(first: dict[str, Any]) -> bool:
    """The first scene of the load is a person's change of a declared image: a denial, well within the deadline."""
    return bool(first["denied"] == 1 and first["firstMs"] < 10_000)


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
