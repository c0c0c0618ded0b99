"""The writing end of a log on a real SQLite file: appending, signing, changing keys, pruning, recovering."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from support.audit_facts import entry, event_entry

from gateway.audit.check import verify_log
from gateway.audit.keys import load_signer, prepare_next
from gateway.audit.log import Log
from gateway.audit.note import parse_verifier
from gateway.audit.reader import Filter, open_reader
from gateway.audit.retention import GRACE_SECONDS, Uses, prune_target
from gateway.audit.signatures import Report, Trust
from gateway.audit.state import DATABASE, LogInUseError, create_state, open_state, state_folder, writer_lock
from gateway.audit.store import Store
from gateway.config.model import Audit, Retention
from gateway.core.errors import AuditError, AuditFullError

FIRST = 2  # a new log begins with the record of its key and the one of its start


def _open(tmp_path: Path, **config: object) -> Log:
    return Log(create_state(tmp_path / "state"), Audit(**config))  # type: ignore[arg-type]


def _verify(tmp_path: Path, trust: Trust | None = None) -> Report:
    with open_reader(tmp_path / "state") as reader:
        return verify_log(reader, trust or Trust(), lambda _count: None)


def _damage(tmp_path: Path, sql: str, *values: object) -> None:
    db = sqlite3.connect(tmp_path / "state" / DATABASE)
    with db:
        db.execute(sql, values)
    db.close()


def test_what_is_written_is_read_and_verifies(tmp_path: Path) -> None:
    """Records, their bodies and their checkpoints verify after the log is closed."""
    log = _open(tmp_path, checkpoint_records=10)
    log.append([entry(number) for number in range(25)])
    log.append([event_entry()])
    log.close()
    report = _verify(tmp_path)
    assert report.ok, report.problems
    assert (report.records, report.bodies, report.signed) == (FIRST + 26, 25, FIRST + 26)


def test_query_columns_come_from_the_record_itself(tmp_path: Path) -> None:
    """What queries filter by cannot be changed without the record: the columns are computed."""
    log = _open(tmp_path)
    log.append([entry(1)])
    log.close()
    with pytest.raises(sqlite3.OperationalError, match="generated"):
        _damage(tmp_path, "UPDATE records SET decision = 'allow'")
    with open_reader(tmp_path / "state") as reader:
        assert len(reader.find(Filter(decision="deny", user="alice", kind="Deployment", namespace="web"), limit=9)) == 1
        assert len(reader.find(Filter(rule="drift/owned-field", name="api"), limit=9)) == 1
        assert reader.find(Filter(rule="drift/other"), limit=9) == []
        assert reader.find(Filter(since="2999-01-01T00:00:00.000000Z"), limit=9) == []


def test_what_is_sent_twice_is_recorded_once(tmp_path: Path) -> None:
    """Entries that come again after a broken connection are known by their id, in one batch and across batches."""
    log = _open(tmp_path)
    first, second = entry(1), entry(2)
    log.append([first])
    log.append([first, second, second], resent=True)
    assert log.seq == FIRST + 2


def test_a_reopened_log_goes_on(tmp_path: Path) -> None:
    """The chain goes on where it ended, with the same key."""
    log = _open(tmp_path)
    log.append([entry(1)])
    log.close()
    log = _open(tmp_path)
    log.append([entry(2)])
    log.close()
    assert _verify(tmp_path).records == FIRST + 1 + 1 + 1


def test_rotation_is_followed_from_the_first_key(tmp_path: Path) -> None:
    """A log with two changes of key verifies with any of its three keys, and signs with the last."""
    log = _open(tmp_path)
    keys = [str(load_signer(tmp_path / "state", open_state(tmp_path / "state").log_id).verifier)]
    for number in range(2):
        log.append([entry(number)])
        keys.append(log.rotate())
    log.append([entry(9)])
    log.close()
    assert len(set(keys)) == 3
    for key in keys:
        report = _verify(tmp_path, Trust(parse_verifier(key)))
        assert report.ok, report.problems
        assert report.key == keys[-1]
    assert not (tmp_path / "state" / "signing.key.next").exists()


def test_no_checkpoint_is_signed_by_a_key_that_is_not_in_force(tmp_path: Path) -> None:
    """With a checkpoint due at every record, the change of key itself is signed for by the new key only."""
    log = _open(tmp_path, checkpoint_records=1)
    log.append([entry(1)])
    log.rotate()
    log.append([entry(2)])
    log.close()
    report = _verify(tmp_path)
    assert report.ok, report.problems
    assert report.checkpoints == report.records - 1


def test_a_rotation_that_a_crash_cut_short_is_settled(tmp_path: Path) -> None:
    """A next key that never entered the chain is dropped; one that did is taken."""
    log = _open(tmp_path)
    state = open_state(tmp_path / "state")
    prepare_next(state.folder, state.log_id)
    log.close()
    log = _open(tmp_path)
    assert not (state.folder / "signing.key.next").exists()
    old = (state.folder / "signing.key").read_bytes()
    log.rotate()
    log.close()
    # As if the crash had come between the commit of the change and the renaming of the file.
    (state.folder / "signing.key").rename(state.folder / "signing.key.next")
    (state.folder / "signing.key").write_bytes(old)
    log = _open(tmp_path)
    log.append([entry(1)])
    log.close()
    assert _verify(tmp_path).ok


def test_another_key_on_disk_is_refused(tmp_path: Path) -> None:
    """A signing key that is not the one in force stops the writer, with the file's name and not its content."""
    _open(tmp_path).close()
    (tmp_path / "state" / "signing.key").write_text("ab" * 32)
    with pytest.raises(AuditError, match=r"signing\.key") as caught:
        _open(tmp_path)
    assert "abab" not in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE records SET envelope = replace(envelope, 'alice', 'mallory') WHERE seq = 7", "altered"),
        ("UPDATE records SET hash = replace(hash, 'a', 'b') WHERE seq = 7", "forged-hash"),
        ("DELETE FROM records WHERE seq = 7", "removed"),
        ("UPDATE records SET seq = 7000 WHERE seq = 7", "removed"),
        ("DELETE FROM blobs WHERE id = 5", "body-missing"),
        ("UPDATE blobs SET data = (SELECT data FROM blobs WHERE id = 4) WHERE id = 5", "body-altered"),
        ("UPDATE blobs SET data = x'00' WHERE id = 5", "body-missing"),
        ("DELETE FROM records WHERE seq > 7", "truncated"),
        ("DELETE FROM records WHERE seq < 7", "removed"),
    ],
)
def test_tampering_with_the_file_is_found_at_the_record(tmp_path: Path, sql: str, kind: str) -> None:
    """Changes made to the SQLite file itself are named with the record and what was done."""
    log = _open(tmp_path)
    log.append([entry(number) for number in range(20)])
    log.close()
    _damage(tmp_path, sql)
    problem = _verify(tmp_path).problems[0]
    expected = {"truncated": 8, "DELETE FROM records WHERE seq < 7": 1}.get(kind, 7)
    assert (problem.kind, problem.seq) == (kind, 1 if "seq < 7" in sql else expected)


def test_pruning_leaves_a_log_that_verifies_at_every_step(tmp_path: Path) -> None:
    """Records go up to a checkpoint in small steps; the rest verifies after each, with the first key too."""
    log = _open(tmp_path, checkpoint_records=100)
    first_key = str(load_signer(tmp_path / "state", open_state(tmp_path / "state").log_id).verifier)
    for start in range(0, 1000, 50):
        log.append([entry(number) for number in range(start, start + 50)])
    log.rotate()
    log.append([entry(number) for number in range(2000, 2100)])
    through = log.prune(900, "command")
    assert 800 <= through <= 900
    firsts = set()
    while log.step():
        report = _verify(tmp_path, Trust(parse_verifier(first_key)))
        assert report.ok, report.problems
        firsts.add(report.first)
    assert max(firsts) == through + 1
    assert len(firsts) > 3
    log.close()
    assert _verify(tmp_path).ok


def test_an_interrupted_removal_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A writer that dies while it removes records goes on when it is started again."""
    log = _open(tmp_path, checkpoint_records=100)
    log.append([entry(number) for number in range(1000)])
    through = log.prune(1000, "command")
    log.step()
    log.close()
    log = _open(tmp_path, checkpoint_records=100)
    while log.step():
        pass
    log.close()
    report = _verify(tmp_path)
    assert report.ok
    assert report.first == through + 1


def test_bodies_go_when_nothing_refers_to_them_and_not_at_once(tmp_path: Path) -> None:
    """Unreferenced bodies are collected; shared ones and those just used stay."""
    log = _open(tmp_path, checkpoint_records=10)
    log.append([entry(1, body=b'{"shared":1}'), *(entry(number) for number in range(2, 40))])
    log.checkpoint()
    log.append([entry(50, body=b'{"shared":1}')])
    log.append([entry(51)])
    log._uses._floor = log.seq  # as if all of this had been written long ago
    log.prune(log.seq - 2, "command")
    while log.step():
        pass
    log.close()
    db = sqlite3.connect(tmp_path / "state" / DATABASE)
    assert db.execute("SELECT (SELECT count(*) FROM bodies), (SELECT count(*) FROM blobs)").fetchone() == (2, 2)
    db.close()
    assert _verify(tmp_path).ok


def test_uses_grow_old() -> None:
    """A record's bodies count as unused only after the grace time on the process's own clock."""
    now = [0.0]
    uses = Uses(10, clock=lambda: now[0])
    for minute in range(60):
        now[0] = minute * 60.0
        uses.note(10 + minute)
        assert uses.floor <= max(0, 10 + minute - int(GRACE_SECONDS // 60))
    assert uses.floor > 10


def test_retention_by_age_and_by_size(tmp_path: Path) -> None:
    """The target is the newest checkpoint that is old enough, or far enough on to get under the size."""
    log = _open(tmp_path, checkpoint_records=50)
    for start in range(0, 500, 50):
        log.append([entry(number) for number in range(start, start + 50)])
    store = log._store
    later = datetime.now(UTC) + timedelta(days=2)
    assert prune_target(store, Retention(max_age_days=3), later) is None
    aged = prune_target(store, Retention(max_age_days=1), later)
    assert aged is not None
    assert aged[0] == log.signed_seq
    used = store.used_bytes()
    half = prune_target(store, Retention(max_age_days=0, max_bytes=used // 2), later)
    assert half is not None
    assert 150 < half[0] < 400
    assert prune_target(store, Retention(max_age_days=0, max_bytes=used * 2), later) is None
    log.close()


def test_retention_works_in_the_background(tmp_path: Path) -> None:
    """Kept under its bound, the log stays near it and goes on verifying."""
    log = _open(tmp_path, checkpoint_records=50, retention=Retention(max_bytes=300_000))
    for start in range(0, 3000, 50):
        log.append([entry(number) for number in range(start, start + 50)])
        log.retain()
        while log.step():
            pass
    assert log._store.used_bytes() < 600_000
    log.close()
    assert _verify(tmp_path).ok


def test_a_full_database_loses_nothing_and_recovers(tmp_path: Path) -> None:
    """With no room an append fails whole; when there is room again the same entries go in, once."""
    log = _open(tmp_path)
    log.append([entry(1)])
    log._store._db.execute(f"PRAGMA max_page_count = {log._store._pragma('page_count') + 3}")
    batch = [entry(number, body=bytes(range(256)) * 30 + b"%d" % number) for number in range(2, 200)]
    with pytest.raises(AuditFullError, match="full"):
        log.append(batch)
    assert log.seq == FIRST + 1
    log.append(batch)  # the bound was the connection's, which was opened anew
    assert log.seq == FIRST + 199
    log.close()
    report = _verify(tmp_path)
    assert report.ok
    assert report.records == FIRST + 199


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second writer is told who the first one is."""
    folder = create_state(tmp_path / "state").folder
    with writer_lock(folder), pytest.raises(LogInUseError, match=r"process \d+"), writer_lock(folder):
        pass
    with writer_lock(folder):
        pass


def test_the_state_folder_is_private_and_made_once(tmp_path: Path) -> None:
    """The folder is 0700 and the keys 0600; making it again changes nothing."""
    state = create_state(tmp_path / "deep" / "state")
    again = create_state(tmp_path / "deep" / "state")
    assert (state.log_id, state.redaction_key) == (again.log_id, again.redaction_key)
    assert state.folder.stat().st_mode & 0o777 == 0o700
    assert (state.folder / "redaction.key").stat().st_mode & 0o777 == 0o600
    assert state.redaction_key.hex() not in repr(state)


def test_where_the_log_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As configured, else in the user's state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert state_folder("/x") == Path("/x")
    assert state_folder() == Path("/somewhere/govgate")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/user")
    assert state_folder() == Path("/home/user/.local/state/govgate")


def test_no_log_is_a_clear_error(tmp_path: Path) -> None:
    """What is missing is said, and what to do."""
    with pytest.raises(AuditError, match="govgate audit init"):
        open_state(tmp_path)
    with pytest.raises(AuditError, match="no audit log"), open_reader(tmp_path):
        pass


def test_another_logs_database_is_refused(tmp_path: Path) -> None:
    """A database that was put in from another log is not written to."""
    _open(tmp_path).close()
    (tmp_path / "state" / "log-id").write_text("f" * 32)
    with pytest.raises(AuditError, match="belongs to another log"):
        _open(tmp_path)


def test_a_damaged_database_is_an_error_and_not_a_full_disk(tmp_path: Path) -> None:
    """Waiting will not help a file that is no database."""
    create_state(tmp_path / "state")
    (tmp_path / "state" / DATABASE).write_bytes(b"x" * 8192)
    with pytest.raises(AuditError) as caught:
        Store(tmp_path / "state" / DATABASE)
    assert not isinstance(caught.value, AuditFullError)


def test_reports_are_json(tmp_path: Path) -> None:
    """A report can be written as JSON and read back."""
    _open(tmp_path).close()
    report = _verify(tmp_path)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_reading_needs_no_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of a log on read-only media is read without making a file beside it."""
    log = _open(tmp_path)
    log.append([entry(1)])
    log.close()
    monkeypatch.setattr("os.access", lambda *_: False)
    before = sorted(tmp_path.rglob("*"))
    with open_reader(tmp_path / "state") as reader:
        assert verify_log(reader, Trust(), lambda _count: None).ok
        assert sorted(tmp_path.rglob("*")) == before


def test_the_wal_is_folded_while_the_load_goes_on(tmp_path: Path) -> None:
    """After some megabytes there is work to do, and doing it keeps the WAL from growing without bound."""
    log = _open(tmp_path)
    for number in range(60):
        log.append([entry(number, body=os.urandom(200_000))])
        if log.has_work:
            log.step()
    assert not log.has_work
    assert (tmp_path / "state" / f"{DATABASE}-wal").stat().st_size < 8_000_000
    log.close()
