"""Exporting a part of a log, all or nothing: a file appears whole, or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.audit.formats import FORMATS, Bodies, checkpoint_line, csv_header
from gateway.audit.parquet import write_parquet
from gateway.audit.reader import Reader
from gateway.audit.record import Bodies as Addresses
from gateway.core.errors import AuditError, UsageError

FORMAT_NAMES = (*FORMATS, "parquet")


class _Refers(msgspec.Struct):
    bodies: Addresses = Addresses()


_refers = msgspec.json.Decoder(_Refers).decode


def export(reader: Reader, out: BinaryIO, *, format_name: str, since: str, until: str, bodies: bool = False) -> int:
    """Write the part of the log from ``since`` to ``until``; returns the number of records.

    What is written is a part of the chain without holes: with a clock that went backwards, it may hold records of
    other times. JSON lines carry the checkpoints of that part as well.

    Raises:
        UsageError: there is no such format, or it has no bodies.
        AuditError: the log cannot be read.
    """
    if format_name not in FORMAT_NAMES:
        raise UsageError(f"no such format: {format_name} (there are {', '.join(FORMAT_NAMES)})")
    if bodies and format_name not in ("jsonl", "cloudevents"):
        raise UsageError(f"{format_name} has no place for bodies: use jsonl or cloudevents")
    first, last = reader.range_of(since, until)
    if format_name == "parquet":
        return write_parquet(reader.records(first, last), out)
    to_line, log_id = FORMATS[format_name], reader.log_id()
    if format_name == "csv":
        out.write(csv_header() + b"\r\n")
    end = b"\r\n" if format_name == "csv" else b"\n"
    count = 0
    for _, envelope, digest in reader.records(first, last):
        raw = envelope.encode()
        out.write(to_line(raw, digest, _bodies(reader, raw) if bodies else {}, log_id) + end)
        count += 1
    if format_name == "jsonl":
        out.writelines(checkpoint_line(note) + end for note in reader.checkpoints(first, last))
    return count


@contextmanager
def output(path: Path | None) -> Iterator[BinaryIO]:
    """Where to write: standard output, or a file (0600) that takes its name only when it is whole and on disk.

    Raises:
        AuditError: it cannot be written; nothing is left behind.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1024 * 1024) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise AuditError(f"cannot write {path}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _bodies(reader: Reader, envelope: bytes) -> Bodies:
    refers = _refers(envelope).bodies
    found = {"object": refers.object, "oldObject": refers.old_object}
    bodies = {name: reader.body(address) for name, address in found.items() if address}
    return {name: body for name, body in bodies.items() if body is not None}
