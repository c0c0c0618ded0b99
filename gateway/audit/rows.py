"""A record as other programs want it: flat, one value a column. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.audit.record import Actor, Bodies, Outcome, Request, Undecided
from gateway.core.errors import AuditError
from gateway.core.finding import Finding

_EMPTY_REQUEST = Request("", "", "", "", "", "", "", "", "", False, Actor())


class Record(msgspec.Struct, frozen=True):
    """A whole record, read back. Members that a type of record does not have are empty."""

    v: int
    seq: int
    id: str
    time: str
    type: str
    prev: str
    request: Request = _EMPTY_REQUEST
    verdict: Outcome = Outcome("", (), ())
    findings: tuple[Finding, ...] = ()
    rules: str = ""
    timings: dict[str, int] = {}
    bodies: Bodies = Bodies()
    detail: dict[str, Any] = {}


parse_record = msgspec.json.Decoder(Record).decode
"""From a record's bytes; raises msgspec.ValidationError."""


def read_record(envelope: str | bytes) -> Record:
    """A record of a log.

    Raises:
        AuditError: it cannot be read.
    """
    try:
        return parse_record(envelope)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise AuditError(f"a record cannot be read (govgate audit verify says more): {error}") from None


COLUMNS = (
    "seq", "time", "type", "id", "decision", "operation", "username", "userUid", "groups", "group", "version", "kind",
    "resource", "subresource", "namespace", "name", "dryRun", "requestUid", "rules", "findings", "messages", "reasons",
    "indeterminate", "object", "oldObject", "timings", "detail", "hash",
)  # fmt: skip


def flat(record: Record, digest: str) -> dict[str, Any]:
    """One value for each of :data:`COLUMNS`: strings, integers, booleans."""
    request, verdict = record.request, record.verdict
    return {
        "seq": record.seq,
        "time": record.time,
        "type": record.type,
        "id": record.id,
        "decision": verdict.decision,
        "operation": request.operation,
        "username": request.actor.username,
        "userUid": request.actor.uid,
        "groups": " ".join(request.actor.groups),
        "group": request.group,
        "version": request.version,
        "kind": request.kind,
        "resource": request.resource,
        "subresource": request.subresource,
        "namespace": request.namespace,
        "name": request.name,
        "dryRun": request.dry_run,
        "requestUid": request.uid,
        "rules": record.rules,
        "findings": " ".join(f"{finding.id}:{finding.rule}:{finding.action}" for finding in record.findings),
        "messages": "\n".join(finding.message for finding in record.findings),
        "reasons": "\n".join(verdict.reasons),
        "indeterminate": "\n".join(map(_doubt, verdict.indeterminate)),
        "object": record.bodies.object,
        "oldObject": record.bodies.old_object,
        "timings": " ".join(f"{name}={value}" for name, value in record.timings.items()),
        "detail": msgspec.json.encode(record.detail).decode() if record.detail else "",
        "hash": digest,
    }


def _doubt(one: Undecided) -> str:
    would = "" if one.would is msgspec.UNSET else f"; would {one.would}"
    return f"{one.guard}: {one.reason} ({one.on_error}{would})"
