"""Backups of sealing keys: what is in one, what is in none, and what is never lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.sealing import certificate, certificate_pem, encoded, key_pem, key_secret, private_key, sealing

from gateway.cli.app import run
from gateway_secrets.sealed.backups import BACKED_UP, HOLDS, backup, holds, in_backup, keys_of, note, opened
from gateway_secrets.sealed.errors import SealError
from gateway_secrets.sealed.scope import KEY_LABEL

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
BACKUP = sealing("backup", digests=None)


def noted(name: str, text: str) -> Any:
    secret = key_secret(name)
    return secret | {"metadata": secret["metadata"] | {"annotations": {BACKED_UP: text}}}


def test_what_was_backed_up_is_told_by_the_keys_themselves() -> None:
    """When the last one was, and which are in none; a note that is none counts as none."""
    when = note(certificate("backup"), NOW)
    assert when.startswith("2026-11-26T12:00:00Z ")
    keys = keys_of([noted("a", when), noted("b", "yesterday"), key_secret("c"), {"metadata": {"name": "other"}}])
    assert keys.last == NOW
    assert {key.name for key in keys.missing} == {"sealed-secrets-key-b", "sealed-secrets-key-c"}
    assert keys_of([]).last is None


def test_a_key_that_cannot_be_read_is_told() -> None:
    """And does not keep the others out of the backup."""
    broken = key_secret("b") | {"data": {"tls.crt": "????"}}
    assert keys_of([broken, key_secret("a")]).problems
    made = backup([broken, key_secret("a")], [], BACKUP)
    assert (len(made.documents), len(made.problems)) == (1, 1)
    assert "sealed-secrets-key-b" in made.problems[0]


def test_a_backup_gives_the_keys_back() -> None:
    """What it says that it holds is what it holds; the note about backups is not part of it."""
    made = backup([noted("a", "x"), key_secret("b")], [], BACKUP)
    private = [private_key("backup")]
    assert [opened(one, private) for one in made.documents] == [holds(one) for one in made.documents]
    assert [holds(one) for one in made.documents] == [certificate(name).fingerprint for name in "ab"]
    assert BACKED_UP not in json.dumps(made.documents)
    assert encoded(key_pem("a")) not in json.dumps(made.documents)
    with pytest.raises(SealError):
        opened(made.documents[0], [private_key("a")])


def test_keys_that_are_no_more_stay() -> None:
    """A later backup of other keys loses none. A key under the name of another one is not put over it."""
    first = backup([key_secret("a")], [], BACKUP)
    second = backup([key_secret("b")], first.documents, BACKUP)
    assert [holds(one) for one in second.documents] == [certificate(name).fingerprint for name in "ab"]
    assert (second.former, len(second.held)) == (1, 1)
    again = backup([key_secret("a"), key_secret("b")], second.documents, BACKUP)
    assert (again.former, len(again.documents)) == (0, 2)
    renamed = key_secret("c")
    renamed["metadata"] = renamed["metadata"] | {"name": "sealed-secrets-key-a"}
    with pytest.raises(SealError, match="another key by the name sealed-secrets-key-a"):
        backup([renamed], second.documents, BACKUP)


def test_what_a_backup_says_of_present_keys_is_not_relied_on() -> None:
    """Whoever can write it could have put something else there."""
    first = backup([key_secret("a")], [], BACKUP)
    forged = json.loads(json.dumps(first.documents[0]))
    forged["spec"]["encryptedData"]["tls.key"] = "AAAA"
    (made,) = backup([key_secret("a")], [forged], BACKUP).documents
    assert opened(made, [private_key("backup")]) == certificate("a").fingerprint


def test_a_backup_counts_instead_of_the_notes() -> None:
    """Where one is at hand."""
    keys = in_backup(keys_of([noted("a", "x"), key_secret("b")]), [certificate("b").fingerprint], NOW)
    assert [key.name for key in keys.missing] == ["sealed-secrets-key-a"]
    assert keys.last == NOW


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with keys as kubectl writes them, and the certificate and key of a backup."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    former = key_secret("b")
    former["metadata"] = former["metadata"] | {"labels": {KEY_LABEL: "compromised"}}
    listed = {"apiVersion": "v1", "kind": "List", "items": [key_secret("a"), former]}
    Path("keys.json").write_text(json.dumps(listed))
    Path("one.json").write_text(json.dumps(key_secret("a")))
    Path("backup.pem").write_bytes(certificate_pem("backup"))
    Path("backup.key").write_bytes(key_pem("backup"))
    Path("a.pem").write_bytes(certificate_pem("a"))
    return tmp_path


def test_the_commands(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup of keys in a file, checked by what it says and by what opens; then the keys come back."""
    given = ["--from", "keys.json"]
    assert run(["seal", "backup", "--cert", "backup.pem", "-w", "backup.yaml", "--from", "one.json"]) == 0
    assert oct((keys / "backup.yaml").stat().st_mode & 0o777) == "0o600"
    assert run(["seal", "backup-check", "--file", "backup.yaml", *given]) == 3
    assert "in no backup: sealed-secrets-key-b" in capsys.readouterr().err
    assert run(["seal", "backup", "--cert", "backup.pem", "-w", "backup.yaml", *given]) == 0
    for check in ([], ["--key", "backup.key"]):
        assert run(["seal", "backup-check", "--file", "backup.yaml", *given, *check, "-o", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["missing"], len(told["keys"])) == ([], 2)
    assert run(["seal", "backup-check", *given]) == 3  # nothing is noted at the keys themselves
    assert run(["seal", "recover", "backup.yaml", "--key", "backup.key", "-w", "back.yaml"]) == 0
    back = list(yaml.safe_load_all((keys / "back.yaml").read_text()))
    assert [one["data"] for one in back] == [key_secret(name)["data"] for name in "ab"]
    assert back[1]["metadata"]["labels"] == {KEY_LABEL: "compromised"}


def test_an_old_backup_is_warned_of(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the notes; with --fail-on warn the exit code says so."""
    then = datetime.now(UTC) - timedelta(days=40)
    Path("noted.json").write_text(json.dumps(noted("a", note(certificate("backup"), then))))
    command = ["seal", "backup-check", "--from", "noted.json", "--max-days", "35"]
    assert run(command) == 0
    assert "more than 35 days ago" in capsys.readouterr().err
    assert run([*command, "--fail-on", "warn"]) == 2
    assert run([*command[:-1], "45", "--fail-on", "warn"]) == 0


def test_a_store_holds_a_backup(keys: Path) -> None:
    """Encrypted, as in a file; the same command checks it."""
    store = ["--store", "store.yaml", "--from", "keys.json"]
    provider = {"file": {"path": str(keys / "store.enc"), "keyFile": str(keys / "store.key")}}
    manifest = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "s"}}
    Path("store.yaml").write_text(yaml.safe_dump(manifest | {"spec": {"provider": provider}}))
    for _ in range(2):
        assert run(["seal", "backup", "--cert", "backup.pem", *store]) == 0
    assert run(["seal", "backup-check", *store, "--key", "backup.key"]) == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["backup", "--cert", "a.pem", "-w", "x.yaml", "--from", "keys.json"], "nothing would open the backup"),
        (["backup", "--cert", "backup.pem", "--from", "keys.json"], "--write FILE, or --store NAME"),
        (["backup", "--cert", "backup.pem", "-w", "keys.json", "--from", "keys.json"], "no backup of keys"),
        (["backup", "--cert", "backup.pem", "-w", "x.yaml", "--from", "backup.pem"], "backup.pem"),
        (["backup-check", "--key", "backup.key", "--from", "keys.json"], "--key opens a backup"),
    ],
)
def test_what_cannot_be_right(keys: Path, command: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line, and no file is changed."""
    before = {path.name: path.read_bytes() for path in keys.iterdir() if path.is_file()}
    assert run(["seal", *command]) in {1, 64}
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert {path.name: path.read_bytes() for path in keys.iterdir() if path.is_file()} == before


def test_the_note_is_not_a_note_of_sealing() -> None:
    """Annotations of backups go where those of sealing go: a template never has them."""
    (made,) = backup([key_secret("a")], [], BACKUP).documents
    assert HOLDS in made["metadata"]["annotations"]
    assert HOLDS not in json.dumps(made["spec"])
