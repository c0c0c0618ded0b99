"""Bounds of one store."""

from __future__ import annotations

import msgspec


class StoreLimits(msgspec.Struct, frozen=True):
    """Each with its unit in its name."""

    deadline_seconds: float = 30.0
    """For one read, with everything that it takes: waiting for its turn, logging in, trying again."""
    requests_per_second: float = 200.0
    """On average, over all who read the store; what is beyond waits."""
    burst_requests: int = 200
    """So many may be sent at once after a pause."""
    retry_seconds: float = 0.5
    """The longest first pause after the store said that it is asked too much; it doubles each time."""
    value_bytes: int = 1024 * 1024
    """Of a value that is given out: more does not fit into a Kubernetes Secret."""
    answer_bytes: int = 4 * 1024 * 1024
    """Of one answer of the store."""
    found_secrets: int = 5_000
    """Names that one search may find."""
    gather_seconds: float = 0.02
    """So long a single read waits for others that one request can bring as well; only where the store can do that."""
    connections: int = 8
    """To the store at a time; kept open between reads."""
