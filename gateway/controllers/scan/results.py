"""The file of findings, as readers see it: the last whole scan, in stable order, streamed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

import msgspec

from gateway.controllers.scan.store import Doubt, Generation, StoreError, read_generation, translated
from gateway.controllers.scan.tally import Counts
from gateway.core.finding import Finding
from gateway.kube.discovery import ServedType

_decode_finding = msgspec.json.Decoder(Finding).decode
_decode_doubt = msgspec.json.Decoder(Doubt).decode
_ERROR = "1 error"


class Results:
    """The last whole scan in a file, as it was when this was opened: a newer one does not mix in."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            StoreError: there is none, it cannot be read, or no scan in it is whole.
        """
        if not path.exists():
            raise StoreError(f"there are no findings in {path.parent}: no scan has run with its state there")
        with translated():
            self._db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)
            self._db.execute("BEGIN")
            found = read_generation(self._db, "state = 'complete'")
        if found is None:
            self._db.close()
            raise StoreError(f"no scan in {path} is complete yet")
        self.generation: Generation = found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def findings(self, namespace: str | None = None) -> Iterator[Finding]:
        """In the order of namespace, kind, name, rule, field. ``namespace``: of this alone; empty: in no namespace."""
        yield from map(_decode_finding, self._ordered("result <> ?", namespace))

    def doubts(self, namespace: str | None = None) -> Iterator[Doubt]:
        """What could not be decided, in the same order."""
        yield from map(_decode_doubt, self._ordered("result = ?", namespace))

    def worst(self, namespace: str, limit: int) -> list[Finding | Doubt]:
        """The gravest findings and doubts of a namespace (empty: of objects in none), those that are waived last."""
        with translated():
            rows = self._db.execute(
                "SELECT result, data FROM findings WHERE generation = ? AND namespace = ?"
                " ORDER BY result, severity, kind, name, type, rule, field, id LIMIT ?",
                (self.generation.id, namespace, limit),
            ).fetchall()
        return [_decode_doubt(data) if result == _ERROR else _decode_finding(data) for result, data in rows]

    def namespaces(self) -> Iterator[tuple[str, Counts]]:
        """The namespaces in which objects were judged, in order, with their counts; empty for objects in none."""
        with translated():
            rows = self._db.execute(
                "SELECT namespace, counts FROM counts WHERE generation = ? ORDER BY namespace, type",
                (self.generation.id,),
            )
            name, total = None, Counts()
            for namespace, counts in rows:
                if namespace != name and name is not None:
                    yield name, total
                    total = Counts()
                name = namespace
                total.add(msgspec.json.decode(counts, type=Counts))
            if name is not None:
                yield name, total

    def problems(self) -> dict[str, str]:
        """What could not be read, and why."""
        found = dict(self.generation.problems)
        with translated():
            rows = self._db.execute(
                "SELECT served, problem FROM types WHERE generation = ? AND problem <> '' ORDER BY type",
                (self.generation.id,),
            ).fetchall()
        return found | {str(msgspec.json.decode(s, type=ServedType).resource): problem for s, problem in rows}

    def _ordered(self, which: str, namespace: str | None) -> Iterator[bytes]:
        there, parameters = "", [self.generation.id]
        if namespace is not None:
            there = " AND namespace = ?"
        arguments = (*parameters, *([] if namespace is None else [namespace]), _ERROR)
        with translated():
            rows = self._db.execute(
                f"SELECT data FROM findings WHERE generation = ?{there} AND {which}"  # noqa: S608 - texts of ours
                " ORDER BY namespace, kind, name, type, rule, field, id",
                arguments,
            )
            for (data,) in rows:
                yield data
