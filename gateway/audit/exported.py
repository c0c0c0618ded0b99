"""Reading a file that ``audit export --format jsonl`` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.audit.rows import Record, parse_record
from gateway.core.errors import AuditError

MAX_LINE_BYTES = 256 * 1024 * 1024


class Line(msgspec.Struct, omit_defaults=True):
    """One line of an exported file: a record with its hash (and bodies), or a checkpoint."""

    hash: str = ""
    record: msgspec.Raw = msgspec.Raw()
    bodies: dict[str, msgspec.Raw] = {}
    checkpoint: str = ""


_decode_line = msgspec.json.Decoder(Line).decode


def read_lines(path: Path) -> Iterator[tuple[int, Line]]:
    """Each line that holds something, with its number.

    Raises:
        AuditError: the file cannot be read, or is none.
    """
    number = 0
    try:
        with path.open("rb") as file:
            for number, text in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
                if text.strip():
                    yield number, _decode_line(text)
    except OSError as error:
        raise AuditError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise AuditError(f"{path}:{number}: not a line of an audit export") from None


def read_export(path: Path) -> Iterator[tuple[Record, dict[str, bytes]]]:
    """Each record with the bodies beside it, ``object`` and ``oldObject``. What is read is not verified.

    Raises:
        AuditError: the file cannot be read, or is none.
    """
    for number, line in read_lines(path):
        if not line.record:
            continue
        try:
            record = parse_record(bytes(line.record))
        except msgspec.MsgspecError:
            raise AuditError(f"{path}:{number}: not an audit record") from None
        yield record, {name: bytes(body) for name, body in line.bodies.items() if name in ("object", "oldObject")}
