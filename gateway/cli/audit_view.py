"""How records and verification reports look on a terminal and as JSON."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.audit.formats import to_jsonl
from gateway.audit.reader import Filter, Reader
from gateway.audit.rows import Record, read_record
from gateway.audit.signatures import Report
from gateway.audit.store import Row
from gateway.ci.report.words import printable

_POLL_SECONDS = 0.5
_PAGE = 1_000
_STYLES = {"deny": "red", "undecided": "yellow", "allow": "green"}


def print_report(report: Report, output: str) -> None:
    """The outcome of a verification."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
        return
    signed = f"signed up to {report.signed}" if report.signed else "nothing signed"
    span = f"records {report.first} to {report.last}" if report.records else "no records"
    print(f"log {report.log or 'unknown'}: {report.records} records ({span}), {signed}, {report.bodies} bodies")
    for problem in report.problems:
        print(f"TAMPERED  {problem.kind}: {problem.message}")
    for note in report.notes:
        print(f"note      {note}")
    print("OK: the log is what was written" if report.ok else "NOT OK: the log is not what was written")


def print_records(rows: Sequence[Row], output: str) -> None:
    """Records as a table, or as one JSON list of ``{"hash", "record"}``."""
    if output == "json":
        lines = b",\n".join(_json_line(row) for row in rows)
        print(f"[{lines.decode()}]")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("SEQ", "TIME", "DECISION", "OPERATION", "OBJECT", "BY", "WHY"):
        table.add_column(column, overflow="fold", no_wrap=column in ("SEQ", "TIME", "DECISION"))
    for _, envelope, _ in rows:
        table.add_row(*_cells(read_record(envelope)))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(table)


def follow(reader: Reader, lines: int, output: str, *, forever: bool) -> None:
    """The newest records, and with ``forever`` those that are added, until interrupted; SIGTERM ends it at the log's end."""
    last = reader.bounds()[1]
    with _terminated() as ending:
        rows = reader.find(Filter(), limit=lines) if lines else []
        while True:
            for row in rows:
                print(_json_line(row).decode() if output == "json" else _line(read_record(row[1])), flush=True)
                last = row[0]
            if not forever:
                return
            told = ending.is_set()
            reader.refresh()
            rows = list(reader.records(last + 1, last + _PAGE))
            if told and not rows:
                return
            if not rows:
                ending.wait(_POLL_SECONDS)


@contextmanager
def _terminated() -> Iterator[threading.Event]:
    """Set by SIGTERM, while this lasts."""
    event = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)


def _json_line(row: Row) -> bytes:
    _, envelope, digest = row
    return to_jsonl(envelope.encode(), digest, {}, "")


def _cells(record: Record) -> list[Text]:
    request = record.request
    decision = record.verdict.decision or record.type
    path = "/".join(part for part in (request.kind, request.subresource, request.namespace, request.name) if part)
    why = record.findings[0].message if record.findings else "; ".join(record.verdict.reasons)
    operation = f"{request.operation} (dry run)" if request.dry_run else request.operation
    cells = (str(record.seq), record.time[:19] + "Z", decision, operation, path, request.actor.username, why)
    return [Text(printable(cell), style=_STYLES.get(cell, "")) for cell in cells]


def _line(record: Record) -> str:
    return "  ".join(cell.plain for cell in _cells(record) if cell.plain)
