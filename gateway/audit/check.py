"""Verifying a log in a state folder, or a file that was exported from one: reads, and lets the pure parts judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.audit.checkpoint import parse_checkpoint
from gateway.audit.exported import read_lines
from gateway.audit.note import NoteError
from gateway.audit.reader import Reader
from gateway.audit.signatures import Report, SignatureVerifier, Trust
from gateway.audit.verify import MAX_PROBLEMS, ChainVerifier, Problem, check_body
from gateway.core.canonical import NotCanonicalError, canonical_json, sha256_digest
from gateway.core.errors import AuditError

Progress = Callable[[int], None]
"""Called with the number of records verified so far."""

_PROGRESS_EVERY = 10_000


def verify_log(reader: Reader, trust: Trust, progress: Progress) -> Report:
    """Verify the log that ``reader`` sees, bodies included."""
    notes = reader.checkpoints()
    chain = ChainVerifier(_places([*notes, trust.checkpoint]))
    bodies = _Bodies()
    for count, (seq, envelope, stored_hash) in enumerate(reader.records(), 1):
        number, refers = chain.record(envelope.encode(), stored_hash, seq)
        for address in filter(None, (refers.object, refers.old_object)):
            bodies.check(number, address, reader)
        if count % _PROGRESS_EVERY == 0:
            progress(count)
    signatures = SignatureVerifier(chain.finish(), trust, log_id=reader.log_id())
    return signatures.verify(notes, bodies=bodies.count, body_problems=bodies.problems)


def verify_file(path: Path, trust: Trust, progress: Progress) -> Report:
    """Verify a file that ``audit export --format jsonl`` wrote; it may hold any part of a log.

    Raises:
        AuditError: the file cannot be read, or is none.
    """
    notes = [line.checkpoint for _, line in read_lines(path) if line.checkpoint]
    chain = ChainVerifier(_places([*notes, trust.checkpoint]))
    problems: list[Problem] = []
    count = bodies = 0
    for _, line in read_lines(path):
        if not line.record:
            continue
        count += 1
        seq, refers = chain.record(_canonical(bytes(line.record), line.hash), line.hash)
        for member, body in line.bodies.items():
            bodies += 1
            address = {"object": refers.object, "oldObject": refers.old_object}.get(member, "")
            problem = check_body(seq, address, bytes(body))
            if problem is not None and len(problems) < MAX_PROBLEMS:
                problems.append(problem)
        if count % _PROGRESS_EVERY == 0:
            progress(count)
    if count == 0:
        raise AuditError(f"{path}: holds no audit records")
    return SignatureVerifier(chain.finish(), trust, part=True).verify(notes, bodies=bodies, body_problems=problems)


class _Bodies:
    """Checks each body once, as long as it remembers; a body that many records share is looked up again and again."""

    _REMEMBERED = 100_000

    def __init__(self) -> None:
        self.count = 0
        self.problems: list[Problem] = []
        self._good: dict[str, None] = {}

    def check(self, seq: int, address: str, reader: Reader) -> None:
        if address in self._good:
            return
        self.count += 1
        problem = check_body(seq, address, reader.body(address))
        if problem is None:
            if len(self._good) >= self._REMEMBERED:
                del self._good[next(iter(self._good))]
            self._good[address] = None
        elif len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def _places(notes: list[str]) -> set[int]:
    places = set()
    for note in notes:
        try:
            places.add(parse_checkpoint(note).seq)
        except NoteError:
            continue
    return places


def _canonical(record: bytes, stored_hash: str) -> bytes:
    """The record's bytes; other tools may have written it anew with other spaces or another order of keys."""
    if sha256_digest(record) == stored_hash:
        return record
    try:
        return canonical_json(msgspec.json.decode(record))
    except (msgspec.MsgspecError, NotCanonicalError, RecursionError):
        return record
