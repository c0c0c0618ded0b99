"""How long a review may take: the ``timeout`` parameter that the API server adds to the webhook's URL.

Source: ``k8s.io/apiserver/pkg/admission/plugin/webhook/request``; the value is a Go ``time.Duration``.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gateway.core.durations import parse_duration

MAX_SECONDS = 30.0
"""The most that a webhook registration may ask for."""


class Target(msgspec.Struct, frozen=True):
    """Where a request goes. ``timeout_seconds`` is None without the parameter; ``nonsense``: it was not a duration."""

    path: str
    timeout_seconds: float | None = None
    nonsense: bool = False


class Budget(msgspec.Struct, frozen=True):
    """Seconds from a request's arrival: guards decide before ``judge``, the record is made before ``record``."""

    judge: float
    record: float


@lru_cache(maxsize=64)
def parse_target(raw_path: str) -> Target:
    """Path and time-out of a request line's target. API servers send few different ones: they are remembered."""
    try:
        parts = urlsplit(raw_path)
        fields = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return Target(raw_path.partition("?")[0], nonsense=True)
    timeout = next((value for name, value in fields if name == "timeout"), None)
    if timeout is None:
        return Target(parts.path)
    try:
        seconds = parse_duration(timeout)
    except ValueError:
        return Target(parts.path, nonsense=True)
    if seconds <= 0:
        return Target(parts.path, nonsense=True)
    return Target(parts.path, min(seconds, MAX_SECONDS))


def plan(timeout_seconds: float, margin_seconds: float) -> Budget:
    """Split ``timeout_seconds``: the margin is kept back from the guards, and half of it from the record as well.

    A guard that uses up its time must still leave some for the record, and the record some for the answer to travel.
    A margin larger than half of the time-out is cut to that half.
    """
    margin = min(margin_seconds, timeout_seconds / 2)
    return Budget(timeout_seconds - margin, timeout_seconds - margin / 2)
