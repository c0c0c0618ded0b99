"""Is this chain what was written? A pure state machine over records; whoever calls reads them.

Every hash is computed anew, and the numbering and each link are checked. What this alone cannot tell, a chain that
was rewritten or cut off at its end, :mod:`gateway.audit.signatures` tells by checkpoints.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.audit.chain import GENESIS
from gateway.audit.record import Bodies
from gateway.core.canonical import sha256_digest

MAX_PROBLEMS = 50
CLOCK_TOLERANCE = timedelta(minutes=1)
_NO_BODIES = Bodies()


class Problem(msgspec.Struct, frozen=True):
    """Something is wrong at the record ``seq``; ``kind`` is a word that scripts can rely on (see docs/audit.md)."""

    seq: int
    kind: str
    message: str


class Landmark(msgspec.Struct, frozen=True):
    """A record about the log itself: a change of key, or what was pruned."""

    seq: int
    prev: str
    type: str
    detail: dict[str, Any]


class Chain(msgspec.Struct, frozen=True):
    """What a walk over all records found. ``before`` is the ``prev`` of the first; ``hashes`` those asked for;
    ``backwards`` counts where the time of decision goes back by more than a minute.
    """

    records: int
    first: int
    last: int
    before: str
    head: str
    hashes: dict[int, str]
    landmarks: tuple[Landmark, ...]
    backwards: int
    problems: tuple[Problem, ...]


class _Envelope(msgspec.Struct):
    seq: int
    prev: str
    time: str
    type: str
    bodies: Bodies = _NO_BODIES
    detail: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Envelope).decode


class ChainVerifier:
    """One walk. ``wanted``: the places whose hashes are to be kept."""

    def __init__(self, wanted: Collection[int] = ()) -> None:
        self._wanted = frozenset(wanted)
        self._problems: list[Problem] = []
        self._hashes: dict[int, str] = {}
        self._landmarks: list[Landmark] = []
        self._records = self._first = self._last = self._backwards = 0
        self._before = self._head = GENESIS
        self._time = ""
        self._gaps: dict[int, int] = {}
        self._doubt: tuple[int, str, str] | None = None

    def record(self, envelope: bytes, stored_hash: str, stored_seq: int | None = None) -> tuple[int, Bodies]:
        """The next record in stored order: its bytes, the hash beside it, and its key in the table, if it has one.

        Returns its number and the bodies that it refers to.
        """
        self._records += 1
        computed = sha256_digest(envelope)
        try:
            record = _decode(envelope)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._unreadable(stored_seq, stored_hash)
        seq = record.seq
        if self._records == 1:
            self._first, self._last, self._before, self._head = seq, seq - 1, record.prev, record.prev
            if seq == 1 and record.prev != GENESIS and computed == stored_hash:
                self._add(1, "altered", "record 1 does not begin a chain")
        doubtful = computed != stored_hash
        follows = seq == self._last + 1
        self._check_link(record.prev, judge=follows and not doubtful)
        if stored_seq is not None and stored_seq != seq and not doubtful:
            self._add(min(stored_seq, seq), "reordered", f"record {seq} stands in the place of record {stored_seq}")
        elif not follows and not doubtful:
            self._out_of_place(seq)
        if doubtful:
            seq = self._last + 1 if stored_seq is None else stored_seq
            self._doubt = (seq, computed, stored_hash)
        if record.time < self._time:
            self._backwards += _goes_back(self._time, record.time)
        self._time = record.time
        self._step(seq, stored_hash)
        if record.type in ("key", "prune"):
            self._landmarks.append(Landmark(seq, record.prev, record.type, record.detail))
        return seq, record.bodies

    def finish(self) -> Chain:
        """After the last record."""
        self._settle_doubt(None)
        return Chain(
            records=self._records,
            first=self._first,
            last=self._last,
            before=self._before,
            head=self._head,
            hashes=self._hashes,
            landmarks=tuple(self._landmarks),
            backwards=self._backwards,
            problems=tuple(self._problems),
        )

    def _unreadable(self, stored_seq: int | None, stored_hash: str) -> tuple[int, Bodies]:
        self._settle_doubt(None)
        seq = self._last + 1 if stored_seq is None else stored_seq
        if self._records == 1:
            self._first, self._last = seq, seq - 1
        self._add(seq, "altered", f"record {seq} was altered: it is not a record any more")
        self._step(seq, stored_hash)
        return seq, _NO_BODIES

    def _check_link(self, prev: str, *, judge: bool) -> None:
        """Does this record follow from the one before? ``prev`` also tells which of two hashes was the real one."""
        if self._doubt is not None:
            self._settle_doubt(prev if judge else None)
        elif judge and prev != self._head:
            last = self._last
            self._add(last, "replaced", f"record {last} was replaced: record {last + 1} follows from another one")

    def _settle_doubt(self, prev: str | None) -> None:
        if self._doubt is None:
            return
        seq, computed, _ = self._doubt
        self._doubt = None
        if prev == computed:
            self._add(seq, "forged-hash", f"the hash stored with record {seq} was replaced")
        else:
            self._add(seq, "altered", f"record {seq} was altered: its hash does not fit")

    def _out_of_place(self, seq: int) -> None:
        expected = self._last + 1
        if seq in self._gaps:
            gap = self._gaps.pop(seq)
            self._problems = [p for p in self._problems if (p.seq, p.kind) != (gap, "removed")]
            self._add(gap, "reordered", f"record {seq} does not stand where it belongs")
        elif seq > expected:
            missing = f"record {expected} is" if seq == expected + 1 else f"records {expected} to {seq - 1} are"
            self._add(expected, "removed", f"{missing} missing")
            self._gaps.update(dict.fromkeys(range(expected, min(seq, expected + MAX_PROBLEMS)), expected))
        else:
            self._add(seq, "reordered", f"record {seq} is there twice, or not where it belongs")

    def _step(self, seq: int, digest: str) -> None:
        if seq <= self._last:
            return
        self._last, self._head = seq, digest
        if seq in self._wanted:
            self._hashes[seq] = digest

    def _add(self, seq: int, kind: str, message: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(seq, kind, message))


def _goes_back(before: str, after: str) -> bool:
    """Whether a clock was set back; several workers' records are out of order by a flush or so at any time."""
    try:
        return datetime.fromisoformat(before) - datetime.fromisoformat(after) > CLOCK_TOLERANCE
    except (ValueError, TypeError):
        return True


def check_body(seq: int, address: str, body: bytes | None) -> Problem | None:
    """A body that the record ``seq`` refers to, as it is stored; None if it is not there or cannot be unpacked."""
    if body is None:
        return Problem(seq, "body-missing", f"the body {address} of record {seq} is missing or damaged")
    if sha256_digest(body) != address:
        return Problem(seq, "body-altered", f"the body {address} of record {seq} was altered")
    return None
