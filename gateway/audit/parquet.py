"""Export to Parquet, with the optional extra that brings pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from gateway.audit.rows import COLUMNS, flat, parse_record
from gateway.audit.store import Row
from gateway.core.errors import AuditError

_GROUP_ROWS = 10_000
_TYPES = {"seq": "int64", "dryRun": "bool_"}


def write_parquet(rows: Iterable[Row], out: BinaryIO) -> int:
    """Write records as a flat table, ten thousand a row group; returns how many.

    Raises:
        AuditError: pyarrow is not installed.
    """
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise AuditError("Parquet needs the extra 'parquet': pip install 'govgate[parquet]'") from None
    schema = arrow.schema([(name, getattr(arrow, _TYPES.get(name, "string"))()) for name in COLUMNS])
    count = 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _groups(rows: Iterable[Row]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for _, envelope, digest in rows:
        group.append(flat(parse_record(envelope.encode()), digest))
        if len(group) == _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group
