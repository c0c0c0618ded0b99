"""Batching, on a real log and without sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.audit_facts import entry

from gateway.audit.committer import BATCH_BYTES, BATCH_RECORDS, Committer
from gateway.audit.connection import Connection
from gateway.audit.log import Log
from gateway.audit.state import DATABASE, create_state
from gateway.audit.wire import Entries, Entry
from gateway.config.model import Audit
from gateway.core.errors import AuditFullError


class LimitedLog(Log):
    """A log that takes no more than ``room`` entries at a time, and remembers how many it was given."""

    room = 1_000_000
    given: list[int]

    def append(self, entries: Sequence[Entry], *, resent: bool = False) -> None:
        self.given = [*getattr(self, "given", []), len(entries)]
        if len(entries) > self.room:
            raise AuditFullError("no room")
        super().append(entries, resent=resent)


def _committer(tmp_path: Path, **config: Any) -> tuple[Committer, LimitedLog, list[dict[str, Any]]]:
    said: list[dict[str, Any]] = []
    settings = Audit(**config)
    log = LimitedLog(create_state(tmp_path / "state"), settings)
    return Committer(log, settings, said.append), log, said


async def test_what_arrives_together_is_one_commit(tmp_path: Path) -> None:
    """Thousands of entries take as many transactions as batches, and each connection counts its own."""
    committer, log, _ = _committer(tmp_path, checkpoint_records=10**9)
    one, two = Connection(committer), Connection(committer)
    committer.take(one, Entries(tuple(entry(number) for number in range(BATCH_RECORDS))))
    committer.take(two, Entries(tuple(entry(number) for number in range(10_000, 10_100))))
    committer.stop()
    await committer.run()
    assert (one.committed, two.committed) == (BATCH_RECORDS, 100)
    assert len(log.given) == 2


async def test_under_a_load_that_never_pauses_the_wal_stays_small(tmp_path: Path) -> None:
    """The WAL is folded between commits although there is always something to commit."""
    committer, _, _ = _committer(tmp_path, mode="durable")
    connection = Connection(committer)
    batches = 5
    for number in range(batches * BATCH_BYTES // 1_000_000):
        committer.take(connection, Entries((entry(number, body=os.urandom(1_000_000)),)))
    running = asyncio.create_task(committer.run())
    while committer._pending:  # noqa: ASYNC110 - the committer has no event for it
        await asyncio.sleep(0.01)
    assert (tmp_path / "state" / f"{DATABASE}-wal").stat().st_size < 2.5 * BATCH_BYTES
    committer.stop()
    await running


async def test_with_no_room_at_the_end_it_says_how_much_is_left(tmp_path: Path) -> None:
    """A writer that is stopped while the disk is full does not pretend to have written everything."""
    committer, log, _ = _committer(tmp_path)
    log.room = 0
    committer.take(Connection(committer), Entries((entry(1), entry(2))))
    committer.stop()
    with pytest.raises(AuditFullError, match="2 records could not be written: no room"):
        await committer.run()


async def test_a_batch_that_does_not_fit_is_tried_in_smaller_ones(tmp_path: Path) -> None:
    """Where thousands have no room, some may: batches are halved until one goes in."""
    committer, log, said = _committer(tmp_path, mode="durable")
    log.room = 2
    connection = Connection(committer)
    committer.take(connection, Entries(tuple(entry(number) for number in range(8))))
    running = asyncio.create_task(committer.run())
    while not connection.committed:  # noqa: ASYNC110 - the committer has no event for it
        await asyncio.sleep(0.01)
    assert log.given[:3] == [8, 4, 2]
    assert [event["event"] for event in said][:1] == ["full"]
    log.room = 1_000_000
    while committer._pending:  # noqa: ASYNC110 - the committer has no event for it
        await asyncio.sleep(0.01)
    committer.stop()
    await running
    assert connection.committed == 8
    assert "room" in [event["event"] for event in said]
