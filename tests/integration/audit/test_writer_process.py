"""The writer as a process, with clients on its socket: nothing answered is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from support.audit_facts import PLAINTEXT, RULES, allowance, denial, subject

from gateway.audit.check import verify_log
from gateway.audit.client import AuditClient
from gateway.audit.control import control
from gateway.audit.note import parse_verifier
from gateway.audit.reader import Filter, open_reader
from gateway.audit.rows import Record, parse_record
from gateway.audit.signatures import Report, Trust
from gateway.audit.wire import Command
from gateway.config.model import Audit, Bodies
from gateway.core.errors import AuditError, AuditFullError

if TYPE_CHECKING:
    from conftest import Setup


async def _record(client: AuditClient, number: int) -> str:
    asked = subject(number)
    await client.record(asked, denial(), rules=RULES, timings={"total": 1})
    return asked.uid


def _verify(folder: Path, trust: Trust | None = None) -> Report:
    with open_reader(folder) as reader:
        return verify_log(reader, trust or Trust(), lambda _count: None)


def _records(folder: Path) -> list[Record]:
    with open_reader(folder) as reader:
        return [parse_record(envelope) for _, envelope, _ in reader.records()]


def _uids(folder: Path) -> list[str]:
    return [record.request.uid for record in _records(folder) if record.type == "decision"]


async def _until(condition: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("mode", ["durable", "batched"])
async def test_decisions_of_several_workers_are_one_chain(audit: Setup, mode: str) -> None:
    """What two clients record is in one log, each once, signed at the end, and verifies."""
    config = Audit(mode=mode)  # type: ignore[arg-type]
    writer = await audit.writer(config)
    clients = [await audit.client(config) for _ in range(2)]
    await asyncio.gather(*(_record(clients[number % 2], number) for number in range(200)))
    for client in clients:
        await client.close()
        assert client.stats().recorded == 100
    assert await writer.stop() == 0
    report = _verify(audit.folder)
    assert report.ok, report.problems
    assert report.signed == report.last
    assert sorted(_uids(audit.folder)) == sorted(f"request-{number}" for number in range(200))


async def test_durable_means_on_disk_when_it_returns(audit: Setup) -> None:
    """Another process sees a durable record as soon as recording it has returned."""
    config = Audit(mode="durable")
    await audit.writer(config)
    client = await audit.client(config)
    for number in range(5):
        uid = await _record(client, number)
        assert _uids(audit.folder)[-1] == uid


async def test_kill_9_of_the_writer_under_load_loses_nothing_answered(audit: Setup) -> None:
    """Killed again and again under load, the writer's chain verifies and holds each acknowledged decision once."""
    config = Audit(mode="durable", checkpoint_records=50)
    clients = [await audit.client(config) for _ in range(2)]
    answered: list[str] = []
    stop = asyncio.Event()

    async def worker(start: int) -> None:
        number = start
        while not stop.is_set():
            answered.append(await _record(clients[number % 2], number))
            number += 100

    tasks = [asyncio.create_task(worker(start)) for start in range(16)]
    for _ in range(4):
        writer = await audit.writer(config)
        before = len(answered)
        await _until(lambda before=before: len(answered) > before + 100)
        os.kill(writer.pid, signal.SIGKILL)
        assert await writer.wait() == -signal.SIGKILL
        report = _verify(audit.folder)
        assert report.ok, report.problems
        assert set(answered) <= set(_uids(audit.folder))
    writer = await audit.writer(config)
    stop.set()
    await asyncio.gather(*tasks)
    assert await writer.stop() == 0
    uids = _uids(audit.folder)
    assert len(uids) == len(set(uids))
    assert set(answered) <= set(uids)
    report = _verify(audit.folder)
    assert report.ok, report.problems


async def test_a_stopping_client_flushes(audit: Setup) -> None:
    """Closing a batched client writes all that it was given, and says so if it cannot."""
    config = Audit(flush_seconds=5.0)
    writer = await audit.writer(config)
    client = await audit.client(config)
    for number in range(50):
        await _record(client, number)
    await client.close()
    assert len(_uids(audit.folder)) == 50
    await writer.stop()
    lonely = await audit.client(config)
    await _record(lonely, 1)
    with pytest.raises(AuditError, match="1 audit records could not be written"):
        await lonely.close(timeout_seconds=0.1)


async def test_decisions_wait_for_a_writer_that_is_not_there_yet(audit: Setup) -> None:
    """A client may come first: it connects when the writer is there."""
    config = Audit(mode="durable")
    client = await audit.client(config)
    task = asyncio.create_task(_record(client, 1))
    await asyncio.sleep(0.1)
    assert not task.done()
    assert not client.stats().connected
    await audit.writer(config)
    async with asyncio.timeout(5):
        await task
    assert client.stats().connected


async def test_a_full_queue_holds_requests_back_until_their_deadline(audit: Setup) -> None:
    """Set to refuse, with no writer and no room, recording waits, and goes on when there is room."""
    config = Audit(queue_records=3)
    client = await audit.client(config)
    for number in range(3):
        await _record(client, number)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await _record(client, 3)
    assert client.stats().queued_records == 3
    waiting = asyncio.create_task(_record(client, 4))
    await audit.writer(config)
    async with asyncio.timeout(5):
        await waiting
    await client.close()
    assert _uids(audit.folder) == ["request-0", "request-1", "request-2", "request-4"]


async def test_lost_decisions_are_counted_in_the_log_itself(audit: Setup) -> None:
    """Set to count, what did not fit is answered, and a record says how many those were and when."""
    config = Audit(queue_records=3, on_full="count")
    client = await audit.client(config)
    for number in range(10):
        await _record(client, number)
    assert client.stats().lost == 7
    await audit.writer(config)
    await _until(lambda: client.stats().queued_records == 0 and client.stats().recorded >= 4)
    await client.close()
    losses = [record for record in _records(audit.folder) if record.type == "loss"]
    assert [loss.detail["count"] for loss in losses] == [7]
    assert losses[0].detail["since"] <= losses[0].detail["until"]
    assert len(_uids(audit.folder)) == 3


async def test_a_full_disk_refuses_and_recovers_without_a_restart(audit: Setup) -> None:
    """At a real limit of the file's size nothing answered is lost; when it is lifted, recording goes on."""
    config = Audit(mode="durable")
    writer = await audit.writer(config)
    client = await audit.client(config)
    answered = [await _record(client, number) for number in range(20)]
    size = (audit.folder / "audit.db-wal").stat().st_size
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
    refused = 0
    for number in range(20, 200):
        try:
            async with asyncio.timeout(5):
                answered.append(await _record(client, number))
        except AuditFullError:
            refused += 1
    assert refused > 100
    assert client.stats().full
    await _until(lambda: audit.said("full"))
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await _until(lambda: not client.stats().full)
    answered.append(await _record(client, 1000))
    await client.close()
    assert await writer.stop() == 0
    uids = _uids(audit.folder)
    assert set(answered) <= set(uids)
    assert len(uids) == len(set(uids))
    assert _verify(audit.folder).ok


async def test_a_full_disk_with_count_answers_and_counts(audit: Setup) -> None:
    """Set to count, a full disk holds nobody up, and the loss is in the log when there is room again."""
    config = Audit(mode="durable", on_full="count", queue_records=20)
    writer = await audit.writer(config)
    client = await audit.client(config)
    await _record(client, 0)
    size = (audit.folder / "audit.db-wal").stat().st_size
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    async with asyncio.timeout(10):
        for number in range(1, 100):
            await _record(client, number)
    lost = client.stats().lost
    assert lost == 99 - 20
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await _until(lambda: not client.stats().full and client.stats().queued_records == 0)
    await client.close()
    assert await writer.stop() == 0
    losses = [record.detail["count"] for record in _records(audit.folder) if record.type == "loss"]
    assert sum(losses) == lost
    assert len(_uids(audit.folder)) == 21
    assert _verify(audit.folder).ok


async def test_a_second_writer_is_refused(audit: Setup, capfd: pytest.CaptureFixture[str]) -> None:
    """Two writers would fork the chain: the second one leaves, and says who the first one is."""
    first = await audit.writer(Audit())
    with pytest.raises(AuditError):
        await audit.writer(Audit())
    assert f"has a writer already (process {first.pid})" in capfd.readouterr().err


async def test_the_end_of_the_supervisor_is_an_orderly_end(audit: Setup) -> None:
    """When its standard input ends, and on SIGTERM, the writer commits, signs and leaves with 0."""
    config = Audit()
    for way in ("input", "signal"):
        writer = await audit.writer(config)
        client = await audit.client(config)
        await _record(client, 1)
        await client.close()
        if way == "signal":
            os.kill(writer.pid, signal.SIGTERM)
            assert await writer.wait() == 0
        else:
            assert await writer.stop() == 0
        report = _verify(audit.folder)
        assert report.ok
        assert report.signed == report.last
    assert audit.said("checkpoint")[-1]["note"].startswith("govgate.dev/audit/v1 ")


async def test_checkpoints_by_number_and_by_time(audit: Setup) -> None:
    """Checkpoints are signed every so many records and every so many seconds, and said on standard output."""
    config = Audit(checkpoint_records=20, checkpoint_seconds=0.3, mode="durable")
    await audit.writer(config)
    client = await audit.client(config)
    for number in range(45):
        await _record(client, number)
    by_number = len(audit.said("checkpoint"))
    assert by_number >= 2
    await _record(client, 100)
    await _until(lambda: len(audit.said("checkpoint")) > by_number)
    report = _verify(audit.folder, Trust(checkpoint=audit.said("checkpoint")[0]["note"]))
    assert report.ok
    assert report.signed == report.last


async def test_commands_reach_a_writer_at_work(audit: Setup) -> None:
    """Rotation and pruning are done by the running writer, under load, and the log verifies with the first key."""
    config = Audit(mode="durable", checkpoint_records=20)
    await audit.writer(config)
    client = await audit.client(config)
    for number in range(100):
        await _record(client, number)
    with open_reader(audit.folder) as reader:
        first_key = _verify(audit.folder).key
        assert reader.key_notes()
    loop = asyncio.get_running_loop()
    new_key = await loop.run_in_executor(None, control, audit.folder, config, Command("rotate"))
    assert new_key != first_key
    through = int(await loop.run_in_executor(None, control, audit.folder, config, Command("prune", 50)))
    assert through > 20
    for number in range(100, 120):
        await _record(client, number)
    await _until(lambda: _verify(audit.folder).first == through + 1)
    report = _verify(audit.folder, Trust(key=parse_verifier(first_key)))
    assert report.ok, report.problems
    assert report.key == new_key
    with pytest.raises(AuditError, match="no command"):
        await loop.run_in_executor(None, control, audit.folder, config, Command("dance"))


async def test_strangers_on_the_socket_do_no_harm(audit: Setup) -> None:
    """Bytes that are not the protocol end that connection and no other."""
    config = Audit(mode="durable")
    await audit.writer(config)
    client = await audit.client(config)
    await _record(client, 1)
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\x00\x00\x00\x01\xc0"):
        reader, stream = await asyncio.open_unix_connection(str(audit.folder / "audit.sock"))
        stream.write(rubbish)
        assert await reader.read() == b""
        stream.close()
    await _record(client, 2)


async def test_nothing_secret_reaches_the_disk(audit: Setup) -> None:
    """With bodies captured, no file of the state folder holds a value from the environment of a container."""
    config = Audit(mode="durable", bodies=Bodies(capture="all"))
    writer = await audit.writer(config)
    client = await audit.client(config)
    for number in range(20):
        await _record(client, number)
    await client.close()
    await writer.stop()
    with open_reader(audit.folder) as reader:
        for _, envelope, _ in reader.records():
            record = parse_record(envelope)
            if record.type == "decision":
                body = reader.body(record.bodies.object)
                assert body is not None
                assert msgspec.json.decode(body)["metadata"]["name"] == "api"
                assert PLAINTEXT.encode() not in body
    for file in audit.folder.iterdir():
        if file.is_file():
            assert PLAINTEXT.encode() not in file.read_bytes()


async def test_readers_do_not_disturb_the_writer(audit: Setup) -> None:
    """A snapshot that is held open neither stops commits nor changes what it sees."""
    config = Audit(mode="durable")
    await audit.writer(config)
    client = await audit.client(config)
    await _record(client, 1)
    with open_reader(audit.folder) as reader:
        before = reader.bounds()
        for number in range(2, 50):
            await _record(client, number)
        assert reader.bounds() == before
        reader.refresh()
        assert reader.bounds()[1] == before[1] + 48
        assert len(reader.find(Filter(decision="deny"), limit=10)) == 10


async def test_batched_decisions_are_on_disk_soon(audit: Setup) -> None:
    """What was answered in batched mode is written within the flush time and the commit, with nobody asking."""
    config = Audit(flush_seconds=0.05)
    await audit.writer(config)
    client = await audit.client(config)
    await client.record(subject(1), allowance(), rules=RULES, timings={})
    assert client.stats().queued_records == 1
    await _until(lambda: client.stats().queued_records == 0, seconds=2)
    db = sqlite3.connect(audit.folder / "audit.db")
    assert db.execute("SELECT count(*) FROM records WHERE decision = 'allow'").fetchone() == (1,)
    db.close()
