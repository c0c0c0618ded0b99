"""Bounds and times of a watch cache, as named fields with units."""

from __future__ import annotations

import msgspec


class CacheLimits(msgspec.Struct, frozen=True):
    """The defaults are for production; tests shorten the times."""

    page_objects: int = 100
    """Objects asked for at a time when listing. With 500, two thousand 15 kB objects peak 25 MiB higher, no faster."""
    max_objects: int = 100_000
    """More than this are not held: the cache is then not synced, and says why."""
    max_event_bytes: int = 16 * 1024 * 1024
    """Of one line of a watch."""
    watch_seconds: int = 300
    """How long one watch may last: the server is asked to end it after this, or up to a fifth less."""
    silence_seconds: float = 90.0
    """A watch without any event or bookmark for this long is taken for dead: servers send a bookmark each minute."""
    probe_seconds: float = 30.0
    """How often it is looked whether a resource type that was not there has been installed."""
    confirm_seconds: float = 5.0
    """How long a resource type must be missing before the objects that were there are given up."""
    backoff_seconds: float = 0.5
    """Before the first retry; doubled with each failure."""
    max_backoff_seconds: float = 30.0
    """Between retries at most, unless the server asks for more."""
    max_retry_after_seconds: float = 120.0
    """At most this much of what a server asks for is granted."""
