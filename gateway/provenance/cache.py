"""Evidence kept for a while. What is kept is what the bytes prove; whether it is enough is decided afresh each time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gateway.provenance.evidence import Evidence
from gateway.provenance.meter import Meter, NoMeter
from gateway.provenance.oci.errors import Kind, RegistryError

ERROR_SECONDS: dict[Kind, float] = {
    "unreachable": 2.0,
    "throttled": 5.0,
    "unauthorised": 5.0,
    "not-found": 5.0,
    "malformed": 15.0,
    "too-large": 30.0,
}
"""How long a failure is believed, by its class: less where it may pass by itself."""

REFUSED_SECONDS = 10.0
"""How long it is believed that an artifact is not signed as it should be: somebody may be about to sign it."""

ALL_SECONDS = 60.0
"""How long it is believed that there are no others, for a policy that all attestations have to satisfy."""


class CacheKey(NamedTuple):
    """``trust`` is the digest of the policy, with its keys, trusted roots and everything that it says; ``who`` tells by
    whose credentials it was read.
    """

    repository: str
    digest: str
    trust: str
    who: str = ""


class Held(msgspec.Struct, frozen=True):
    """Evidence, or the error that there was instead. ``complete``: all that the policy accepts was looked at."""

    evidence: Evidence | None
    error: RegistryError | None
    complete: bool
    until: float
    size: int = 0


MAX_BYTES = 64 * 1024 * 1024
"""Of the predicates that are kept, as JSON."""


class EvidenceCache:
    """At most ``entries`` of them, and so many bytes; the least recently used are dropped first.

    ``clock`` counts seconds and never goes back.
    """

    def __init__(
        self,
        *,
        entries: int,
        seconds: float,
        clock: Callable[[], float],
        max_bytes: int = MAX_BYTES,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter or NoMeter()
        self._entries = entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[CacheKey, Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: CacheKey) -> Held | None:
        """What is held and still good."""
        held = self._held.get(key)
        if held is None:
            return None
        if self._clock() >= held.until:
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return held

    def keep(
        self, key: CacheKey, evidence: Evidence, *, satisfied: bool, complete: bool, at_most: float | None
    ) -> Held:
        """Keep evidence. ``at_most``: seconds until it has to be found anew, because a validity changes."""
        seconds = self._seconds if satisfied else min(REFUSED_SECONDS, self._seconds)
        if at_most is not None:
            seconds = min(seconds, at_most)
        size = sum(len(bytes(one.predicate)) for one in evidence.signed)
        return self._put(key, Held(evidence, None, complete, self._clock() + seconds, size))

    def keep_error(self, key: CacheKey, error: RegistryError) -> Held:
        """Keep a failure, shortly."""
        seconds = min(ERROR_SECONDS[error.kind], self._seconds)
        return self._put(key, Held(None, error, complete=True, until=self._clock() + seconds))

    def _put(self, key: CacheKey, held: Held) -> Held:
        self._drop(key)
        self._held[key] = held
        self._bytes += held.size
        while len(self._held) > self._entries or (self._bytes > self._max_bytes and self._held):
            self._drop(next(iter(self._held)))
            self._meter.cached("eviction")
        return held

    def _drop(self, key: CacheKey) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._bytes -= held.size
