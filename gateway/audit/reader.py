"""Reading a log, beside a writer that may be at work: one read-only snapshot, in the order of the chain."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import zstandard

from gateway.audit.state import DATABASE
from gateway.audit.store import Row, address_bytes, translated
from gateway.core.errors import AuditError

MAX_BODY_BYTES = 64 * 1024 * 1024
_BUSY_MILLISECONDS = 5_000


class Filter(msgspec.Struct, frozen=True):
    """Which records; empty fields do not filter. ``since`` and ``until`` as :func:`gateway.audit.times.point_in_time`."""

    since: str = ""
    until: str = ""
    decision: str = ""
    user: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    rule: str = ""


_COLUMNS = {
    "since": "time >= ?",
    "until": "time < ?",
    "decision": "decision = ?",
    "user": "username = ?",
    "kind": "kind = ?",
    "namespace": "namespace = ?",
    "name": "name = ?",
    "rule": "EXISTS (SELECT 1 FROM json_each(envelope, '$.findings') WHERE value ->> '$.rule' = ?)",
}


class Reader:
    """One snapshot of a log: what is written meanwhile is not seen. See :func:`open_reader`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def refresh(self) -> None:
        """Take a new snapshot."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._db.execute("BEGIN")

    def log_id(self) -> str:
        """The log's name."""
        row = self._row("SELECT value FROM meta WHERE name = 'logId'")
        return str(row[0]) if row else ""

    def bounds(self) -> tuple[int, int]:
        """The seq of the first and the last record; zeros if there is none."""
        first, last = self._row("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM records")
        return first, last

    def pruned(self) -> int:
        """Up to which record the log says that it was pruned."""
        row = self._row("SELECT value FROM meta WHERE name = 'pruned'")
        return int(row[0]) if row else 0

    def range_of(self, since: str, until: str) -> tuple[int, int]:
        """First and last seq of the part of the chain that holds every record of the time; (1, 0) if none is."""
        where, values = _where(Filter(since=since, until=until))
        first, last = self._row(f"SELECT min(seq), max(seq) FROM records {where}", values)  # noqa: S608 - fixed text
        return (1, 0) if first is None else (first, last)

    def records(self, first: int = 0, last: int = 2**62) -> Iterator[Row]:
        """The seq, envelope, hash in the order of the chain."""
        yield from self._rows(
            "SELECT seq, envelope, hash FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", first, last
        )

    def find(self, wanted: Filter, *, limit: int, after: int = 0) -> list[Row]:
        """The last ``limit`` records that match, those after the record ``after`` only; oldest first."""
        where, values = _where(wanted, f"seq > {after:d}")
        sql = f"SELECT seq, envelope, hash FROM records {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - fixed text
        return list(self._rows(sql, *values, limit))[::-1]

    def checkpoints(self, first: int = 0, last: int = 2**62) -> list[str]:
        """Signed checkpoints, oldest first."""
        sql = "SELECT note FROM checkpoints WHERE seq BETWEEN ? AND ? ORDER BY seq"
        return [note for (note,) in self._rows(sql, first, last)]

    def key_notes(self) -> list[str]:
        """The signed changes of key, oldest first."""
        return [note for (note,) in self._rows("SELECT note FROM keys ORDER BY seq")]

    def newest_checkpoint(self) -> str:
        """The newest signed checkpoint; empty if there is none."""
        row = self._row("SELECT note FROM checkpoints ORDER BY seq DESC LIMIT 1")
        return str(row[0]) if row else ""

    def body(self, address: str) -> bytes | None:
        """The redacted body at an address; None if it is not there or cannot be unpacked."""
        try:
            key = address_bytes(address)
        except ValueError:
            return None
        row = self._row("SELECT data FROM bodies JOIN blobs USING (id) WHERE address = ?", [key])
        return unpack(row[0]) if row else None

    def _row(self, sql: str, values: list[Any] | tuple[Any, ...] = ()) -> Any:
        with translated():
            return self._db.execute(sql, values).fetchone()

    def _rows(self, sql: str, *values: Any) -> Iterator[Any]:
        with translated():
            yield from self._db.execute(sql, values)


@contextmanager
def open_reader(folder: Path) -> Iterator[Reader]:
    """Read the log in ``folder`` for the length of the block.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    path = folder / DATABASE
    if not path.exists():
        raise AuditError(f"there is no audit log in {folder}")
    # SQLite needs to write beside a log whose writer did not end well; one on read-only media has no such rest.
    immutable = "&immutable=1" if not path.with_name(DATABASE + "-wal").exists() and not _writable(folder) else ""
    with translated():
        uri = f"file:{quote(str(path.absolute()))}?mode=ro{immutable}"
        db = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        with translated():
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
            reader = Reader(db)
            reader.refresh()
            reader.log_id()
        yield reader
    finally:
        db.close()


def unpack(data: bytes) -> bytes | None:
    """A compressed body's bytes; None if it is damaged or larger than anything the log would hold."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= MAX_BODY_BYTES:
            return None
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError:
        return None


def _where(wanted: Filter, *more: str) -> tuple[str, list[str]]:
    given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value}
    conditions = [*more, *(_COLUMNS[name] for name in given)]
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), list(given.values())


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)
