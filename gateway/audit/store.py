"""The SQLite file of a log: its schema and its statements, and nothing about what they mean.

One connection writes, in WAL mode with ``synchronous=FULL``: a commit returns after the WAL is synced. The columns
for queries are virtual: computed from the record's own bytes, so that no index can tell another story than the chain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import zstandard

from gateway.core.errors import AuditError, AuditFullError

FORMAT = "1"
_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
  seq INTEGER PRIMARY KEY,
  envelope TEXT NOT NULL,
  hash TEXT NOT NULL,
  id TEXT GENERATED ALWAYS AS (envelope ->> '$.id') VIRTUAL,
  time TEXT GENERATED ALWAYS AS (envelope ->> '$.time') VIRTUAL,
  type TEXT GENERATED ALWAYS AS (envelope ->> '$.type') VIRTUAL,
  decision TEXT GENERATED ALWAYS AS (envelope ->> '$.verdict.decision') VIRTUAL,
  username TEXT GENERATED ALWAYS AS (envelope ->> '$.request.actor.username') VIRTUAL,
  kind TEXT GENERATED ALWAYS AS (envelope ->> '$.request.kind') VIRTUAL,
  namespace TEXT GENERATED ALWAYS AS (envelope ->> '$.request.namespace') VIRTUAL,
  name TEXT GENERATED ALWAYS AS (envelope ->> '$.request.name') VIRTUAL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS records_id ON records (id);
CREATE INDEX IF NOT EXISTS records_time ON records (time);
CREATE TABLE IF NOT EXISTS checkpoints (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys (seq INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS bodies (id INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE, last_seq INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS blobs (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
COMMIT;
"""
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_COMPRESSION_LEVEL = 3
_NO_ROOM = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY))

Row = tuple[int, str, str]
"""The seq, envelope, hash."""


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as ours: no room (or a disk that fails) is :class:`AuditFullError`, the rest AuditError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in _NO_ROOM:
            raise AuditFullError(f"{error} ({name})") from error
        raise AuditError(f"audit database: {error} ({name})") from error


def address_bytes(address: str) -> bytes:
    """From ``sha256:<hex>`` to the 32 bytes that the tables hold."""
    return bytes.fromhex(address.removeprefix("sha256:"))


class Store:
    """The writing connection. Everything raises what :func:`translated` says."""

    def __init__(self, path: Path) -> None:
        self._compress = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress
        with translated():
            # One thread at a time, but not always the same: the writer commits in a thread of its pool.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in (
                "busy_timeout = 5000",
                "synchronous = FULL",
                "wal_autocheckpoint = 0",
                f"journal_size_limit = {_WAL_BYTES_KEPT}",
            ):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close; the last one to close folds the WAL into the database."""
        with translated():
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block is left."""
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def head(self) -> tuple[int, str] | None:
        """The seq and hash of the last record."""
        found: tuple[int, str] | None = self._row("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1")
        return found

    def first_seq(self) -> int:
        """The seq of the first record that is still there; 0 if none is."""
        row: tuple[int] | None = self._row("SELECT seq FROM records ORDER BY seq LIMIT 1")
        return row[0] if row else 0

    def known_ids(self, ids: Sequence[str]) -> set[str]:
        """Those of ``ids`` that are recorded."""
        with translated():
            return {
                identity
                for identity in ids
                if self._db.execute("SELECT 1 FROM records WHERE id = ?", (identity,)).fetchone()
            }

    def insert_records(self, rows: Iterable[Row]) -> None:
        self._db.executemany("INSERT INTO records (seq, envelope, hash) VALUES (?, ?, ?)", rows)

    def insert_bodies(self, bodies: Iterable[tuple[str, bytes]], seq: int) -> None:
        """Store each body, compressed, unless it is there."""
        for address, body in bodies:
            key = address_bytes(address)
            cursor = self._db.execute("INSERT OR IGNORE INTO bodies (address, last_seq) VALUES (?, ?)", (key, seq))
            if cursor.rowcount == 1:
                data = self._compress(body)
                self._db.execute("INSERT INTO blobs (id, data) VALUES (?, ?)", (cursor.lastrowid, data))

    def use_bodies(self, uses: Iterable[tuple[str, int]]) -> None:
        """Note the last record that refers to each body."""
        rows = ((seq, address_bytes(address)) for address, seq in uses)
        self._db.executemany("UPDATE bodies SET last_seq = ? WHERE address = ?", rows)

    def insert_checkpoint(self, seq: int, time: str, note: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO checkpoints (seq, time, note) VALUES (?, ?, ?)", (seq, time, note))

    def insert_key(self, seq: int, note: str) -> None:
        self._db.execute("INSERT INTO keys (seq, note) VALUES (?, ?)", (seq, note))

    def key_notes(self, through: int | None = None) -> list[str]:
        """The changes of key in their order, up to the record ``through``."""
        bound = 2**62 if through is None else through
        with translated():
            return [note for (note,) in self._db.execute("SELECT note FROM keys WHERE seq <= ? ORDER BY seq", (bound,))]

    def last_checkpoint(self) -> tuple[int, str] | None:
        """The seq and note of the newest checkpoint."""
        found: tuple[int, str] | None = self._row("SELECT seq, note FROM checkpoints ORDER BY seq DESC LIMIT 1")
        return found

    def checkpoint_at_most(self, seq: int) -> tuple[int, str] | None:
        """The seq and note of the newest checkpoint up to ``seq``."""
        found: tuple[int, str] | None = self._row(
            "SELECT seq, note FROM checkpoints WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)
        )
        return found

    def checkpoint_before(self, time: str) -> tuple[int, str] | None:
        """The seq and note of the newest checkpoint that was signed before ``time`` (RFC 3339, UTC)."""
        found: tuple[int, str] | None = self._row(
            "SELECT seq, note FROM checkpoints WHERE time < ? ORDER BY seq DESC LIMIT 1", (time,)
        )
        return found

    def meta(self, name: str) -> str:
        """A value kept beside the log; empty if there is none."""
        row: tuple[str] | None = self._row("SELECT value FROM meta WHERE name = ?", (name,))
        return row[0] if row else ""

    def set_meta(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))

    def delete_records(self, through: int, limit: int) -> int:
        """Remove the first ``limit`` records up to ``through``, and their checkpoints; returns how many."""
        cursor = self._db.execute(
            "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (through, limit),
        )
        self._db.execute("DELETE FROM checkpoints WHERE seq < (SELECT min(seq) - 1 FROM records)")
        return cursor.rowcount

    def delete_bodies(self, after: int, unused_since: int, limit: int) -> int:
        """Look at ``limit`` bodies whose number is greater than ``after``; remove those last used up to a record.

        Returns the number of the last one looked at; 0 at the end.
        """
        rows = self._db.execute(
            "SELECT id, last_seq FROM bodies WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        ).fetchall()
        unused = [(number,) for number, last_seq in rows if last_seq <= unused_since]
        self._db.executemany("DELETE FROM blobs WHERE id = ?", unused)
        self._db.executemany("DELETE FROM bodies WHERE id = ?", unused)
        return int(rows[-1][0]) if rows else 0

    def release_pages(self, limit: int) -> int:
        """Give up to ``limit`` free pages back to the file system; returns how many are left to give."""
        with translated():
            self._db.execute(f"PRAGMA incremental_vacuum({limit:d})").fetchall()
            return self._pragma("freelist_count")

    def used_bytes(self) -> int:
        """Size of what the log holds (free pages left out)."""
        with translated():
            return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def fold_wal(self, mode: str = "PASSIVE") -> int:
        """Copy the WAL's pages into the database; returns the WAL's length in pages."""
        with translated(), closing(self._db.execute(f"PRAGMA wal_checkpoint({mode})")) as cursor:
            return int(cursor.fetchone()[1])

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _row(self, sql: str, parameters: tuple[object, ...] = ()) -> Any:
        with translated():
            return self._db.execute(sql, parameters).fetchone()
