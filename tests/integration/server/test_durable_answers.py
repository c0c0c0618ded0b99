"""Durable mode from end to end, in a system-call trace of the worker and the audit writer together."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MakeGateway
from support.gateway import JSON, Answer, Gateway, review
from support.systrace import SENDS, SYNCS, Event, Trace, supported

pytestmark = pytest.mark.skipif(not supported(), reason="system-call numbers of this machine are not known")

REQUESTS = 15
_RECORD_BYTES = 300
"""What a worker hands to the writer is larger than this; wake-ups and counters are smaller."""


def early_answers(events: list[Event], client_socket: str, worker: int) -> tuple[int, int]:
    """How many answers left on the client's socket, and how many of them before their record was synced."""
    answers = early = 0
    handed = synced = False
    for event in events:
        if event.name in SYNCS and event.path.endswith("-wal"):  # only the writer has the log open
            synced = synced or (handed and event.phase == "exit" and event.result == 0)
        elif event.tid != worker or event.phase != "enter" or event.name not in SENDS:
            continue
        elif event.path == client_socket:
            answers += 1
            early += not synced
            handed = synced = False
        elif event.path.startswith("socket:") and event.length > _RECORD_BYTES:
            handed, synced = True, False
    return answers, early


def _client_socket(gateway: Gateway, worker: int) -> str:
    """The worker's end of the one connection that is open, as the trace calls it."""
    (connection,) = (c for c in gateway.workers()[0].net_connections(kind="tcp") if c.status == "ESTABLISHED")
    return str(Path(f"/proc/{worker}/fd/{connection.fd}").readlink())


async def test_the_record_is_on_disk_before_the_answer_leaves(gateway: MakeGateway, tmp_path: Path) -> None:
    """Each answer is written to the client's socket only after the sync of the commit that holds its record ended."""
    server = gateway(audit={"mode": "durable"}).start()
    worker = server.workers()[0].pid
    writer = server.children("gateway.audit.writer")[0].pid
    connection = server.connect()

    def ask(number: int) -> None:
        connection.request("POST", "/v1/validate?timeout=10s", review(f"u-{number}"), JSON)
        assert Answer(connection.getresponse()).status == 200

    ask(0)
    socket = _client_socket(server, worker)
    trace = Trace(tmp_path / "trace", worker, writer)
    if not trace.allowed():
        pytest.skip("this machine lets nobody trace processes that are not children (kernel.yama.ptrace_scope)")
    async with trace:
        for number in range(1, REQUESTS + 1):
            ask(number)
    answers, early = early_answers(trace.events, socket, worker)
    connection.close()
    assert answers == REQUESTS
    assert early == 0


async def test_batched_answers_are_told_apart(gateway: MakeGateway, tmp_path: Path) -> None:
    """The same trace of a server in batched mode shows answers that leave before any sync."""
    server = gateway(audit={"mode": "batched", "flushSeconds": 5}).start()
    worker = server.workers()[0].pid
    writer = server.children("gateway.audit.writer")[0].pid
    connection = server.connect()
    connection.request("POST", "/v1/validate", review("u-0"), JSON)
    Answer(connection.getresponse())
    socket = _client_socket(server, worker)
    trace = Trace(tmp_path / "trace", worker, writer)
    if not trace.allowed():
        pytest.skip("this machine lets nobody trace processes that are not children (kernel.yama.ptrace_scope)")
    async with trace:
        connection.request("POST", "/v1/validate", review("u-1"), JSON)
        assert Answer(connection.getresponse()).status == 200
    answers, early = early_answers(trace.events, socket, worker)
    connection.close()
    assert (answers, early) == (1, 1)
