"""The proof of ``durable``, from the kernel's side: the sync of a record's commit ends before its answer leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.audit_facts import RULES, denial, subject
from support.systrace import SENDS, SYNCS, Event, Trace, supported

from gateway.config.model import Audit

if TYPE_CHECKING:
    from conftest import Setup

pytestmark = pytest.mark.skipif(not supported(), reason="system-call numbers of this machine are not known")

_SELF_PIPE_BYTES = 1  # the event loop's own wake-ups are one byte


def acknowledgements_too_early(events: list[Event]) -> tuple[int, int]:
    """How many answers left the writer, and how many of them while a write to the WAL was not synced yet."""
    answers = early = 0
    dirty, synced = False, False
    for event in events:
        if event.name == "pwrite64" and event.path.endswith("-wal"):
            dirty, synced = True, False
        elif event.name in SYNCS and event.path.endswith("-wal") and event.phase == "exit" and event.result == 0:
            dirty, synced = False, True
        elif _is_answer(event):
            answers += 1
            early += dirty or not synced
            synced = False
    return answers, early


def _is_answer(event: Event) -> bool:
    return (
        event.phase == "enter"
        and event.name in SENDS
        and event.path.startswith("socket:")
        and event.length > _SELF_PIPE_BYTES
    )


async def test_the_sync_ends_before_the_answer_leaves(audit: Setup, tmp_path: Path) -> None:
    """In a system-call trace of the writer each answer comes after a finished sync of all that was written."""
    config = Audit(mode="durable")
    writer = await audit.writer(config)
    client = await audit.client(config)
    await client.record(subject(0), denial(), rules=RULES, timings={})
    trace = Trace(tmp_path / "trace", writer.pid)
    if not trace.allowed():
        pytest.skip("this machine lets nobody trace processes that are not children (kernel.yama.ptrace_scope)")
    async with trace:
        for number in range(1, 21):
            await client.record(subject(number), denial(), rules=RULES, timings={})
    answers, early = acknowledgements_too_early(trace.events)
    assert answers == 20
    assert early == 0


def test_an_answer_before_the_sync_would_be_seen() -> None:
    """The check itself tells a writer that answers too early, and one that never syncs."""

    def event(name: str, phase: str, path: str) -> Event:
        return Event(1, name, phase, path, 9, 0)

    write, begin, end = (
        event("pwrite64", "exit", "a-wal"),
        event("fdatasync", "enter", "a-wal"),
        event("fdatasync", "exit", "a-wal"),
    )
    answer = event("sendto", "enter", "socket:[1]")
    assert acknowledgements_too_early([write, begin, end, answer]) == (1, 0)
    assert acknowledgements_too_early([write, begin, answer, end]) == (1, 1)
    assert acknowledgements_too_early([write, begin, end, write, answer]) == (1, 1)
    assert acknowledgements_too_early([answer]) == (1, 1)
