"""The drift decision alone, in process: objects decoded, no I/O."""

from __future__ import annotations

import gc
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bench.environment import Row
from bench.load import reviews, size
from gateway.config.drift import Drift
from gateway.core.subject import Subject
from webhooks.drift.decide import decide
from webhooks.drift.facts import NoFacts
from webhooks.drift.fields import FieldsV1
from webhooks.drift.managed import entries
from webhooks.drift.ownership import Policy
from webhooks.review import decode_review

ROUNDS = 2_000


def measure(_folder: Path) -> dict[str, Any]:
    """Median and 99th percentile per decision in µs over the ten requests of the load, and of decoding them."""
    policy = Policy(every_reconciler())
    documents = reviews()
    bodies = [json.dumps(document, separators=(",", ":")).encode() for document in documents]
    subjects = [decode_review(body) for body in bodies]
    decisions: list[float] = []
    decodes: list[float] = []
    now = datetime.now(UTC)
    gc.collect()
    gc.disable()
    try:
        for body in bodies:
            decodes += [_timed(lambda body=body: _decode(body)) for _ in range(ROUNDS // 10)]
        for subject in subjects:
            subject.object, subject.old_object  # noqa: B018 - decoded before the clock starts
            decisions += [
                _timed(lambda subject=subject: decide(subject, NoFacts(), policy, now=now)) for _ in range(ROUNDS)
            ]
    finally:
        gc.enable()
    fields = [sum(_leaves(entry.fields) for entry in entries(subject.old_object)) for subject in subjects]
    return {
        "object_bytes": [size(document["request"]["object"]) for document in documents],
        "managed_fields": fields,
        "decision_us": _percentiles(decisions),
        "decode_us": _percentiles(decodes),
    }


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    fields = found["managed_fields"]
    return [
        ("drift decision, 10 kB object, median", f"{found['decision_us']['p50']} µs", "≤ 100 µs"),
        ("drift decision, 99th percentile", f"{found['decision_us']['p99']} µs", ""),
        ("managed fields of those objects", f"{min(fields)}-{max(fields)}", "200"),
        ("decoding a review", f"{found['decode_us']['p50']} µs", ""),
    ]


def _decode(body: bytes) -> Subject:
    subject = decode_review(body)
    subject.object, subject.old_object  # noqa: B018 - decodes
    return subject


def _timed(function: Any) -> float:
    started = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - started) / 1000


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in (50, 90, 99)}


def every_reconciler() -> Drift:
    """The configuration with all reconcilers on, those that are off by default too."""
    drift = Drift()
    sections = {name: getattr(drift, name) for name in drift.__struct_fields__}
    off = {name: section for name, section in sections.items() if getattr(section, "mode", None) == "disabled"}
    return replace(drift, **{name: replace(section, mode="enforce") for name, section in off.items()})


def _leaves(fields: FieldsV1) -> int:
    """How many fields a set names."""
    below = [value for key, value in fields.items() if key != "."]
    return sum(_leaves(value) for value in below) or 1
