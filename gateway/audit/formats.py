"""Records as lines of a text format: JSON lines (which verify again), CSV, CloudEvents. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import msgspec

from gateway.audit.ocsf import ocsf_event
from gateway.audit.rows import COLUMNS, flat, read_record

_encode = msgspec.json.encode
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Bodies = dict[str, bytes]
"""Redacted bodies of one record: ``object``, ``oldObject``."""
ToLine = Callable[[bytes, str, Bodies, str], bytes]
"""From a record's bytes, its hash, its bodies and the log's name to one line, without its line feed."""


def to_jsonl(envelope: bytes, digest: str, bodies: Bodies, log_id: str) -> bytes:  # noqa: ARG001 - one signature for all
    """``{"hash", "record", "bodies"}``: the record's very bytes, so that the file can be verified."""
    line = b'{"hash":"%b","record":%b' % (digest.encode(), envelope)
    if bodies:
        line += b',"bodies":{%b}' % b",".join(b'"%b":%b' % (name.encode(), body) for name, body in bodies.items())
    return line + b"}"


def checkpoint_line(note: str) -> bytes:
    """A signed checkpoint as a line of a JSON-lines file."""
    return _encode({"checkpoint": note})


def csv_header() -> bytes:
    """The names of the columns."""
    return _csv_line(COLUMNS)


def to_csv(envelope: bytes, digest: str, bodies: Bodies, log_id: str) -> bytes:  # noqa: ARG001 - one signature for all
    """One row (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    return _csv_line(tuple(_cell(value) for value in flat(read_record(envelope), digest).values()))


def to_cloudevent(envelope: bytes, digest: str, bodies: Bodies, log_id: str) -> bytes:
    """A CloudEvents 1.0 event in JSON; ``data`` is the record."""
    record = read_record(envelope)
    request = record.request
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": record.id,
        "source": f"urn:govgate:audit:{log_id}",
        "type": f"dev.govgate.audit.{record.type}.v1",
        "time": record.time,
        "datacontenttype": "application/json",
        "sequence": f"{record.seq:020d}",
        "recordhash": digest,
        "data": {"record": msgspec.Raw(envelope), **{name: msgspec.Raw(body) for name, body in bodies.items()}},
    }
    if request.kind:
        group_version = f"{request.group}/{request.version}" if request.group else request.version
        event["subject"] = f"{group_version}/{request.kind}/{request.namespace}/{request.name}"
    return _encode(event)


def to_ocsf(envelope: bytes, digest: str, bodies: Bodies, log_id: str) -> bytes:  # noqa: ARG001 - one signature for all
    """An OCSF event (see :mod:`gateway.audit.ocsf`)."""
    return _encode(ocsf_event(read_record(envelope), digest, log_id))


FORMATS: dict[str, ToLine] = {
    "jsonl": to_jsonl,
    "csv": to_csv,
    "cloudevents": to_cloudevent,
    "ocsf": to_ocsf,
}


def _cell(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _csv_line(cells: tuple[str, ...]) -> bytes:
    buffer = io.StringIO()
    # The module quotes a line break only if it belongs to the terminator that it is given.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n").encode()
