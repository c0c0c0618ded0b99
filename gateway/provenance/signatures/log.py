"""Entries of transparency logs: that the log has them, and that it promised to. Pure.

What is there must be right: a wrong proof is not made good by a right promise. Source: sigstore client specification,
section 4 (verification); C2SP tlog-checkpoint; Rekor's signed entry timestamp is over canonical JSON.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import msgspec

from gateway.audit.note import NoteError, split
from gateway.core.canonical import NotCanonicalError, canonical_json
from gateway.provenance.evidence import LogEntry
from gateway.provenance.signatures.decoding import RESIGN, read_base64
from gateway.provenance.signatures.logbody import Signed, check_body
from gateway.provenance.signatures.material import Entry, Proof
from gateway.provenance.signatures.merkle import leaf_hash, root_from_proof
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.root import Log, TrustedRoot

_KEY_HASH_BYTES = 4
_HEAD_LINES = 3
_OTHER_LOG = "give the trusted root (trusted_root.json) of the Sigstore instance that the artifact was signed with"


class Logged(msgspec.Struct, frozen=True):
    """A verified entry, the log it is in, and the time that the log vouches for, if it does."""

    record: LogEntry
    log: Log
    time: datetime | None


def verify_entry(entry: Entry, signed: Signed, root: TrustedRoot) -> Logged:
    """Verify one entry: of a known log, about this signature, and really in the log.

    Raises:
        RefusedError: at one of the steps ``trust-root``, ``log-entry``, ``log-proof``, ``log-checkpoint``,
            ``log-promise``.
    """
    logs = [log for log in root.logs if log.id == entry.log_id]
    if not logs:
        found = base64.b64encode(entry.log_id).decode()[:64]
        raise RefusedError("trust-root", f"the log of the entry (id {found}) is not in the trusted root", _OTHER_LOG)
    check_body(entry, signed)
    if entry.proof is None and not entry.promise:
        raise RefusedError("log-entry", "neither a proof nor a promise says that the log has the entry", RESIGN)
    log = logs[0]
    if entry.proof is not None:
        _check_proof(entry.proof, entry.body, log)
    if entry.promise:
        _check_promise(entry, log)
    time = _time(entry) if entry.promise else None
    record = LogEntry(index=entry.log_index, origin=log.url, kind=f"{entry.kind} {entry.version}")
    return Logged(record, _in_force(logs, time), time)


def check_window(logged: Logged, time: datetime) -> None:
    """Refuse an entry of a log whose key was not in force at that time."""
    if not logged.log.window.holds(time):
        reason = f"the log's key counts from {logged.log.window}, and the entry was made at {time.isoformat()}"
        raise RefusedError("trust-root", reason, _OTHER_LOG)


def _in_force(logs: list[Log], time: datetime | None) -> Log:
    """Of one log that a root lists several times, the period that holds the time."""
    return next((log for log in logs if time is not None and log.window.holds(time)), logs[0])


def _check_proof(proof: Proof, body: bytes, log: Log) -> None:
    root = root_from_proof(leaf_hash(body), proof.log_index, proof.tree_size, proof.hashes)
    if root is None or root != proof.root_hash:
        raise RefusedError("log-proof", "the inclusion proof does not lead to the root it names", RESIGN)
    try:
        text, signatures = split(proof.checkpoint)
    except NoteError as error:
        raise RefusedError("log-checkpoint", f"the checkpoint cannot be read: {error}", RESIGN) from None
    ours = [signature for _, signature in signatures if signature[:_KEY_HASH_BYTES] == log.id[:_KEY_HASH_BYTES]]
    if not any(log.key.verifies(signature[_KEY_HASH_BYTES:], text.encode()) for signature in ours):
        raise RefusedError("log-checkpoint", "the checkpoint is not signed by the log", RESIGN)
    lines = text.split("\n")
    if len(lines) <= _HEAD_LINES or lines[1] != str(proof.tree_size):
        raise RefusedError("log-checkpoint", "the checkpoint is of another size than the proof", RESIGN)
    if read_base64(lines[2], "the checkpoint's root") != root:
        raise RefusedError("log-checkpoint", "the checkpoint is of another tree than the proof", RESIGN)


def _check_promise(entry: Entry, log: Log) -> None:
    try:
        promised = canonical_json(
            {
                "body": base64.b64encode(entry.body).decode(),
                "integratedTime": entry.integrated_time,
                "logID": entry.log_id.hex(),
                "logIndex": entry.log_index,
            }
        )
    except NotCanonicalError:
        raise RefusedError("log-promise", "the log entry has numbers beyond any log's", RESIGN) from None
    if not log.key.verifies(entry.promise, promised):
        raise RefusedError("log-promise", "the promise of inclusion is not signed by the log", RESIGN)


def _time(entry: Entry) -> datetime | None:
    try:
        return datetime.fromtimestamp(entry.integrated_time, UTC) if entry.integrated_time else None
    except (ValueError, OverflowError, OSError):
        raise RefusedError("log-promise", "the log entry's time is beyond the calendar", RESIGN) from None
