"""Which bodies of a request are kept, redacted and addressed by content, doing the work once for each body.

The object of one request usually is the oldObject of the next, and reconcilers ask about the same object again and
again: a bounded memory from the digest of what was sent to the address of what is kept saves redacting and sending.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import msgspec

from gateway.audit.record import Bodies
from gateway.audit.redact import Redactor
from gateway.config.model import Bodies as BodiesConfig
from gateway.core.canonical import sha256_digest
from gateway.core.subject import GroupVersionKind, Subject
from gateway.core.verdict import Verdict

REMEMBERED = 8_192
"""Bodies remembered; about 300 bytes each."""
REMEMBERED_SECONDS = 600.0
"""How long a body may be referred to without being sent again. The writer keeps unused ones for longer than that
(:data:`gateway.audit.retention.GRACE_SECONDS`)."""


class Captured(msgspec.Struct, frozen=True):
    """``new`` are pairs of address and redacted bytes that the writer may not have yet."""

    bodies: Bodies
    new: tuple[tuple[str, bytes], ...]


class BodyCapture:
    """Redacts and addresses bodies as ``config`` says, with the log's redaction key."""

    def __init__(self, config: BodiesConfig, key: bytes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._capture = config.capture
        self._redactor = Redactor(key, config.cleartext)
        self._clock = clock
        self._known: dict[tuple[bytes, str], tuple[str, float]] = {}

    def capture(self, subject: Subject, verdict: Verdict) -> Captured:
        """The addresses of the request's bodies. What is in ``new`` counts as sent from now on."""
        if self._capture == "none" or (self._capture == "findings" and not verdict.findings):
            return _NOTHING
        new: list[tuple[str, bytes]] = []
        object_ = self._address(subject.raw_object, subject.kind, new)
        old_object = self._address(subject.raw_old_object, subject.kind, new)
        return Captured(Bodies(object_, old_object), tuple(new))

    def _address(self, raw: bytes, kind: GroupVersionKind, new: list[tuple[str, bytes]]) -> str:
        if not raw:
            return ""
        seen = (hashlib.sha256(raw).digest(), kind.kind)
        known = self._known.pop(seen, None)
        now = self._clock()
        if known is not None and known[1] > now:
            self._known[seen] = known
            return known[0]
        kept = self._redactor.redact(raw, kind)
        address = "sha256:" + seen[0].hex() if kept is raw else sha256_digest(kept)
        new.append((address, kept))
        self._known[seen] = (address, now + REMEMBERED_SECONDS)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return address


_NOTHING = Captured(Bodies(), ())
