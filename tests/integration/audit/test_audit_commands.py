"""``govgate audit`` as a person and a script use it."""

from __future__ import annotations

import csv
import io
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.audit_facts import START_NS, allowance, entry
from support.cluster import wait_for

from gateway.audit.log import Log
from gateway.audit.state import create_state
from gateway.cli import exits
from gateway.config.model import Audit


def run(folder: Path, *arguments: str, code: int = exits.CLEAN) -> subprocess.CompletedProcess[str]:
    """Run one command on the log in ``folder``; its exit code has to be ``code``."""
    command = [sys.executable, "-m", "gateway", "audit", *arguments, "--state-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of 40 decisions of the past, every fourth of which was allowed, and its first checkpoints."""
    log = Log(create_state(tmp_path / "state"), Audit(checkpoint_records=10))
    for number in range(40):
        verdict = None if number % 4 else allowance()
        log.append([entry(number, verdict=verdict, time_ns=START_NS + number * 3_600_000_000_000)])
    log.close()
    return tmp_path / "state"


def test_init_makes_a_private_log_once(tmp_path: Path) -> None:
    """init prints the key to keep elsewhere; a second time it changes nothing."""
    state = tmp_path / "new" / "state"
    first = run(state, "init")
    assert first.stdout.startswith("govgate-audit-")
    assert state.stat().st_mode & 0o777 == 0o700
    assert run(state, "init").stdout == first.stdout == run(state, "key", "export").stdout
    assert json.loads(run(state, "verify", "-o", "json").stdout)["records"] == 2


def test_verify_says_good_tampered_and_cannot(folder: Path, tmp_path: Path) -> None:
    """0 for a good log, 3 for one that was changed, 1 when there is nothing to verify, 64 for bad usage."""
    assert "OK" in run(folder, "verify").stdout
    db = sqlite3.connect(folder / "audit.db")
    with db:
        db.execute("UPDATE records SET envelope = replace(envelope, '\"deny\"', '\"allow\"') WHERE seq = 20")
    db.close()
    done = run(folder, "verify", code=exits.DENIED)
    assert "altered: record 20" in done.stdout
    report = json.loads(run(folder, "verify", "-o", "json", code=exits.DENIED).stdout)
    assert report["problems"][0] == {
        "seq": 20, "kind": "altered", "message": "record 20 was altered: its hash does not fit",
    }  # fmt: skip
    assert "no audit log" in run(tmp_path / "nothing", "verify", code=exits.FAILED).stderr
    (folder / "audit.db").write_bytes(b"rubbish" * 1000)
    assert "Traceback" not in run(folder, "verify", code=exits.FAILED).stderr
    run(folder, "verify", "--nonsense", code=exits.USAGE)


def test_verify_with_a_key_and_a_checkpoint_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    """What was kept elsewhere is taken as text or as a file; a cut log is found out."""
    key = run(folder, "key", "export").stdout.strip()
    (tmp_path / "key").write_text(key + "\n")
    (tmp_path / "checkpoint").write_text(run(folder, "checkpoint").stdout)
    for given in (key, str(tmp_path / "key")):
        run(folder, "verify", "--key", given, "--checkpoint", str(tmp_path / "checkpoint"))
    run(folder, "key", "rotate")
    run(folder, "verify", "--key", key)
    db = sqlite3.connect(folder / "audit.db")
    with db:
        db.execute("DELETE FROM records WHERE seq > 30")
        db.execute("DELETE FROM checkpoints WHERE seq > 30")
    db.close()
    run(folder, "verify", "--key", key)
    done = run(folder, "verify", "--checkpoint", str(tmp_path / "checkpoint"), code=exits.DENIED)
    assert "truncated" in done.stdout
    run(folder, "verify", "--key", "nonsense+1+2", code=exits.FAILED)


def test_key_rotation_shows_and_destroys(folder: Path) -> None:
    """rotate prints the new key, show prints all, and the old private key is gone."""
    old = (folder / "signing.key").read_text()
    new = run(folder, "key", "rotate").stdout.strip()
    shown = run(folder, "key", "show").stdout.splitlines()
    assert len(shown) == 2
    assert shown[-1].split()[-1] == new == run(folder, "key", "export").stdout.strip()
    assert not [file for file in folder.iterdir() if file.is_file() and old.strip().encode() in file.read_bytes()]


def test_query_filters_and_formats(folder: Path) -> None:
    """Filters combine, JSON is a list of records with their hashes, the table has one line a record."""
    found = json.loads(
        run(folder, "query", "--decision", "deny", "--user", "alice", "--limit", "5", "-o", "json").stdout
    )
    assert len(found) == 5
    assert {item["record"]["verdict"]["decision"] for item in found} == {"deny"}
    assert [item["record"]["seq"] for item in found] == sorted(item["record"]["seq"] for item in found)
    assert json.loads(run(folder, "query", "--kind", "Secret", "-o", "json").stdout) == []
    assert json.loads(run(folder, "query", "--since", "2999-01-01", "-o", "json").stdout) == []
    assert len(json.loads(run(folder, "query", "--rule", "drift/owned-field", "-o", "json").stdout)) == 30
    table = run(folder, "query", "--decision", "allow").stdout.splitlines()
    assert table[0].split()[:3] == ["SEQ", "TIME", "DECISION"]
    assert len(table) == 11
    run(folder, "query", "--since", "yesterday", code=exits.USAGE)
    run(folder, "query", "--limit", "0", code=exits.USAGE)


def test_exports_can_be_read_and_verified(folder: Path, tmp_path: Path) -> None:
    """Each format comes out, to a file or standard output; JSON lines verify by themselves."""
    target = tmp_path / "log.jsonl"
    run(folder, "export", "--bodies", "-O", str(target))
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "audit", "verify", str(target)], capture_output=True, check=False
    )
    assert done.returncode == 0
    rows = list(csv.DictReader(io.StringIO(run(folder, "export", "--format", "csv").stdout)))
    assert len(rows) == 42
    for name in ("cloudevents", "ocsf"):
        lines = run(folder, "export", "--format", name).stdout.splitlines()
        assert len(lines) == 42
        assert all(isinstance(json.loads(line), dict) for line in lines)
    short = run(folder, "export", "--since", "2025-10-10", "--until", "2025-10-10T06:00:00Z").stdout.splitlines()
    assert 0 < len(short) < 10
    assert "cannot write" in run(folder, "export", "-O", str(tmp_path / "no" / "folder"), code=exits.FAILED).stderr


def test_an_export_that_runs_out_of_space_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    """At a real limit of the file's size the command fails with one line and leaves no file, whole or half."""
    command = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        "from gateway.cli.app import main; main(sys.argv[1:])"
    )
    target = tmp_path / "out" / "x.jsonl"
    target.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", command, "audit", "export", "-O", str(target), "--state-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exits.FAILED
    assert done.stderr.count("\n") == 1
    assert list(target.parent.iterdir()) == []


def test_tail_and_follow(folder: Path) -> None:
    """tail prints the newest; -f goes on with what is added."""
    lines = run(folder, "tail", "-n", "3", "-o", "json").stdout.splitlines()
    assert [json.loads(line)["record"]["seq"] for line in lines] == [40, 41, 42]
    command = [sys.executable, "-m", "gateway", "audit", "tail", "-f", "-n", "1", "--state-dir", str(folder)]
    # A shell that started the tests in the background has them, and all that they start, ignore the signal.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("42 ")
        log = Log(create_state(folder), Audit())
        log.append([entry(500)])
        log.close()
        assert process.stdout.readline().startswith("43 ")
        assert "deny" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_whoever_follows_is_told_to_end_and_prints_the_rest(folder: Path, tmp_path: Path) -> None:
    """SIGTERM: what lies in the log by then is printed, however much, and the exit code is 0."""
    log = Log(create_state(folder), Audit())
    log.append([entry(500 + number) for number in range(1_500)])
    command = [sys.executable, "-m", "gateway", "audit", "tail", "-f", "-n", "42", "-o", "json"]
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        process = subprocess.Popen([*command, "--state-dir", str(folder)], stdout=output)
    try:
        wait_for(lambda: printed.read_text().count("\n") >= 42, seconds=60)
        log.append([entry(9_000)])
        log.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    sequence = [json.loads(line)["record"]["seq"] for line in printed.read_text().splitlines()]
    assert sequence == list(range(sequence[0], sequence[-1] + 1))
    assert sequence[-1] == json.loads(run(folder, "verify", "-o", "json").stdout)["records"]


def test_prune_and_verify(folder: Path) -> None:
    """prune removes old records up to a checkpoint, says how far, and the rest verifies with the first key."""
    key = run(folder, "key", "export").stdout.strip()
    run(folder, "prune", code=exits.USAGE)
    assert "nothing" in run(folder, "prune", "--through", "1").stdout
    assert "up to 20" in run(folder, "prune", "--through", "25").stdout
    report = json.loads(run(folder, "verify", "--key", key, "-o", "json").stdout)
    assert report["first"] == 21
    assert report["ok"]
    assert "up to" in run(folder, "prune", "--before", "2025-10-10T20:00:00Z").stdout
    assert json.loads(run(folder, "verify", "--key", key, "-o", "json").stdout)["ok"]


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    """``govgate audit export | head`` ends quietly."""
    log = Log(create_state(folder), Audit())
    log.append([entry(number) for number in range(1000, 3000)])
    log.close()
    command = [sys.executable, "-m", "gateway", "audit", "export", "--state-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
