"""The file of findings, as a scan writes it: a page at a time, all or nothing, so that a killed scan goes on where it was.

One process writes. Times are seconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.controllers.scan.schema import FORMAT, SCHEMA
from gateway.controllers.scan.tally import RESULTS, Counts, result_of
from gateway.core.errors import GovgateError
from gateway.core.finding import Finding, Resource, Severity
from gateway.kube.discovery import ServedType

FILE = "findings.db"
_DELETED_AT_A_TIME = 5_000
_SEVERITIES = tuple(Severity)
_encode = msgspec.json.encode


class StoreError(GovgateError):
    """The file of findings cannot be written or read."""


class Doubt(msgspec.Struct, frozen=True, tag=True):
    """A rule that could not be decided about an object. ``unknown``: for want of what is not known here."""

    rule: str
    reason: str
    resource: Resource
    unknown: bool = False


class Page(msgspec.Struct):
    """What was found in one page of a list. ``cursor``: where the list goes on, empty at its end."""

    cursor: str
    findings: list[Finding] = []
    doubts: list[Doubt] = []
    counts: dict[str, Counts] = {}
    """By namespace."""


class Generation(msgspec.Struct, frozen=True):
    """One scan. ``rules``: the digest of those that judged. ``asked``: the digest of what was to be read and how."""

    id: int
    started: float
    rules: str
    asked: str
    problems: dict[str, str]
    finished: float | None = None
    published: bool = False


class TypeState(msgspec.Struct):
    """How far one type is."""

    number: int
    served: ServedType
    cursor: str = ""


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise StoreError(f"the file of findings: {error} ({name})") from error


class Store:
    """The writing connection. Every method raises :class:`StoreError` where the file does not take it."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: cannot be made: {error.strerror}") from None
        with translated():
            # One thread at a time, but not always the same.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in ("busy_timeout = 5000", "synchronous = NORMAL", "journal_size_limit = 16777216"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(SCHEMA)
            found = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if found not in (0, FORMAT):
                raise StoreError(f"{path} is of format {found}, and this version knows {FORMAT}")
            self._db.execute(f"PRAGMA user_version = {FORMAT}")

    def close(self) -> None:
        """Close; the last one to close folds the WAL into the file."""
        with translated():
            self._db.close()

    def building(self) -> Generation | None:
        """The scan that is not whole yet."""
        return self._generation("state = 'building'")

    def complete(self) -> Generation | None:
        """The last one that is."""
        return self._generation("state = 'complete'")

    def begin(
        self, types: Sequence[ServedType], *, now: float, rules: str, asked: str, problems: Mapping[str, str]
    ) -> Generation:
        """Begin a scan; one that was begun before is given up."""
        with self._transaction():
            self._db.execute("UPDATE generations SET state = 'dead' WHERE state = 'building'")
            cursor = self._db.execute(
                "INSERT INTO generations (state, started, rules, asked, problems) VALUES ('building', ?, ?, ?, ?)",
                (now, rules, asked, _encode(problems).decode()),
            )
            generation = int(cursor.lastrowid or 0)
            rows = ((generation, number, _encode(served).decode()) for number, served in enumerate(types))
            self._db.executemany("INSERT INTO types (generation, type, served) VALUES (?, ?, ?)", rows)
        return Generation(generation, now, rules, asked, dict(problems))

    def open_types(self, generation: Generation) -> list[TypeState]:
        """Types that are not read to their end."""
        with translated():
            rows = self._db.execute(
                "SELECT type, served, cursor FROM types WHERE generation = ? AND NOT done ORDER BY type",
                (generation.id,),
            ).fetchall()
        return [TypeState(number, msgspec.json.decode(served, type=ServedType), at) for number, served, at in rows]

    def add(self, generation: Generation, number: int, page: Page) -> None:
        """What a page holds, and how far its type is now, at once."""
        with self._transaction():
            rows = [_finding_row(generation.id, number, finding) for finding in page.findings]
            rows += [_doubt_row(generation.id, number, doubt) for doubt in page.doubts]
            self._db.executemany(
                "INSERT INTO findings (generation, type, namespace, kind, name, rule, field, result, severity, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            for namespace, counts in page.counts.items():
                self._count(generation.id, number, namespace, counts)
            self._db.execute(
                "UPDATE types SET cursor = ?, done = ? WHERE generation = ? AND type = ?",
                (page.cursor, int(not page.cursor), generation.id, number),
            )

    def restart(self, generation: Generation, number: int, *, problem: str = "", done: bool = False) -> None:
        """Forget what was found of a type: it is read again, or (``done``) not at all, because of a problem or none."""
        at = (generation.id, number)
        with self._transaction():
            self._db.execute("DELETE FROM findings WHERE generation = ? AND type = ?", at)
            self._db.execute("DELETE FROM counts WHERE generation = ? AND type = ?", at)
            self._db.execute(
                "UPDATE types SET cursor = '', done = ?, problem = ? WHERE generation = ? AND type = ?",
                (int(done), problem, *at),
            )

    def finish(self, generation: Generation, *, now: float, keep: int) -> None:
        """The scan is whole: readers see it from now on. Of complete ones, ``keep`` stay."""
        with self._transaction():
            self._db.execute(
                "UPDATE generations SET state = 'complete', finished = ? WHERE id = ?", (now, generation.id)
            )
            self._db.execute(
                "UPDATE generations SET state = 'dead' WHERE state = 'complete' AND id NOT IN"
                " (SELECT id FROM generations WHERE state = 'complete' ORDER BY id DESC LIMIT ?)",
                (keep,),
            )

    def published(self, generation: Generation) -> None:
        """Its summaries are in the cluster."""
        with self._transaction():
            self._db.execute("UPDATE generations SET published = 1 WHERE id = ?", (generation.id,))

    def prune(self) -> bool:
        """Delete some of what was given up; whether there is more."""
        with self._transaction():
            dead = self._db.execute("SELECT id FROM generations WHERE state = 'dead' ORDER BY id LIMIT 1").fetchone()
            if dead is None:
                return False
            deleted = self._db.execute(
                "DELETE FROM findings WHERE id IN (SELECT id FROM findings WHERE generation = ? LIMIT ?)",
                (dead[0], _DELETED_AT_A_TIME),
            )
            if deleted.rowcount < _DELETED_AT_A_TIME:
                for table, column in (("counts", "generation"), ("types", "generation"), ("generations", "id")):
                    self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", dead)  # noqa: S608 - names of ours
        return True

    def _count(self, generation: int, number: int, namespace: str, counts: Counts) -> None:
        key = (generation, namespace, number)
        held = self._db.execute(
            "SELECT counts FROM counts WHERE generation = ? AND namespace = ? AND type = ?", key
        ).fetchone()
        total = msgspec.json.decode(held[0], type=Counts) if held else Counts()
        total.add(counts)
        self._db.execute(
            "INSERT OR REPLACE INTO counts (generation, namespace, type, counts) VALUES (?, ?, ?, ?)",
            (*key, _encode(total).decode()),
        )

    def _generation(self, where: str) -> Generation | None:
        with translated():
            return read_generation(self._db, where)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def read_generation(db: sqlite3.Connection, where: str) -> Generation | None:
    """The newest generation that a condition (of ours) holds for."""
    row = db.execute(
        "SELECT id, started, rules, asked, problems, finished, published FROM generations"  # noqa: S608 - ours
        f" WHERE {where} ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, started, rules, asked, problems, finished, published = row
    told = msgspec.json.decode(problems, type=dict[str, str])
    return Generation(number, started, rules, asked, told, finished, bool(published))


_Row = tuple[int, int, str, str, str, str, str, str, int, bytes]


def _finding_row(generation: int, number: int, finding: Finding) -> _Row:
    about, severity = finding.resource, _SEVERITIES.index(finding.severity)
    where = (about.namespace, about.kind, about.name, finding.rule, finding.field)
    return (generation, number, *where, _rank(result_of(finding)), severity, _encode(finding))


def _doubt_row(generation: int, number: int, doubt: Doubt) -> _Row:
    about = doubt.resource
    where = (about.namespace, about.kind, about.name, doubt.rule, "")
    return (generation, number, *where, _rank("error"), len(_SEVERITIES), _encode(doubt))


def _rank(result: str) -> str:
    """Sorts the gravest first."""
    return f"{RESULTS.index(result)} {result}"
