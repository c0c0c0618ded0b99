"""``govgate secrets`` with the embedded store: what is printed, what is recorded, and what is not."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest
from support.leaks import leaks

from gateway.cli import exits
from gateway.cli.app import run
from gateway.cli.secrets import parse_reference
from gateway.core.errors import UsageError
from gateway_secrets.stores.model import Reference

PASSWORD = "Zq8-vWx4&kLm9/Tr"
VALUE = json.dumps({"user": "service", "password": PASSWORD, "token": "dG9rZW4tb2YtdGVzdHM="})


class Shell:
    """Runs commands, and keeps everything they said."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        self.folder = folder
        self.said = b""
        self._monkeypatch = monkeypatch
        self._capture = capfdbinary

    def __call__(self, *words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run(["secrets", *words])
        out, err = self._capture.readouterr()
        self.said += err if "--reveal" in words else out + err
        return code, out, err.decode()


@pytest.fixture
def shell(tmp_path, monkeypatch, capfdbinary):
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    made = Shell(tmp_path, monkeypatch, capfdbinary)
    assert made("put", "team/db", "--tag", "team=a", stdin=VALUE.encode())[0] == exits.CLEAN
    return made


def test_metadata_is_printed_and_the_value_is_not(shell):
    """What it is, where it is from, how large: not what it holds."""
    code, out, _ = shell("get", "team/db#password", "-o", "json")
    told = json.loads(out)
    assert code == exits.CLEAN
    assert told.pop("created").startswith("20")
    assert told == {
        "provider": "file", "store": "embedded", "key": "team/db", "property": "password", "version": "1", "bytes": 16,
    }  # fmt: skip


def test_reveal_prints_the_value_alone(shell):
    """Byte for byte, for pipes."""
    assert shell("get", "team/db#password", "--reveal") == (exits.CLEAN, PASSWORD.encode(), "")
    assert shell("get", "team/db#token@1", "--decode", "Base64", "--reveal")[1] == b"token-of-tests"
    options = ("--key", "team/db", "--property", "user", "--version", "1")
    assert shell("get", *options, "--reveal")[1] == b"service"


def test_a_file_gets_the_value_and_is_its_owners(shell):
    """Whole, 0600, also where something more open was."""
    file = shell.folder / "value"
    file.write_text("older")
    file.chmod(0o644)
    assert shell("get", "team/db", "--out", str(file))[0] == exits.CLEAN
    assert file.read_text() == VALUE
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("get", "team/none"), exits.FAILED, "team/none: not in"),
        (("get", "team/db@9"), exits.FAILED, "has no version '9'"),
        (("get", "team/db", "--decode", "Base64"), exits.FAILED, "is not Base64"),
        (("get", "team/db", "--store", "nowhere"), exits.USAGE, "neither a file, nor a name"),
        (("get", "team/db", "--reveal", "--out", "x"), exits.USAGE, "choose one"),
        (("get",), exits.USAGE, "name one secret"),
        (("get", "#x"), exits.USAGE, "names no key"),
        (("put", "k", "--tag", "x"), exits.USAGE, "NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(shell, words, code, says):
    """With the exit code of its kind."""
    failed, out, err = shell(*words)
    assert (failed, out) == (code, b"")
    assert says in err
    assert err.count("\n") == 1


def test_a_store_is_named_in_the_configuration(shell):
    """By a path that begins where the configuration is."""
    folder = shell.folder / "etc"
    folder.mkdir()
    provider = {"file": {"path": str(folder / "s.enc"), "keyFile": str(folder / "s.key")}}
    store = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "spec": {"provider": provider}}
    (folder / "mine.json").write_text(json.dumps(store))
    config = folder / "govgate.yaml"
    config.write_text("stores: {mine: mine.json}")
    named = ("--store", "mine", "--config", str(config))
    assert shell("put", "k", *named, stdin=b"v")[0] == exits.CLEAN
    assert shell("get", "k", "--reveal", *named)[1] == b"v"


def test_every_read_is_on_record(shell, capfdbinary):
    """Who, which store and key, which version, what came of it; and never the value."""
    assert run(["audit", "init"]) == exits.CLEAN
    capfdbinary.readouterr()
    shell("get", "team/db#password", "--reveal")
    shell("get", "team/none")
    shell("put", "team/db", stdin=b"new" + PASSWORD.encode())
    database = shell.folder / "XDG_STATE_HOME/govgate/audit.db"
    assert run(["audit", "query", "-o", "json"]) == exits.CLEAN
    records = [item["record"] for item in json.loads(capfdbinary.readouterr().out)]
    noted = [record["detail"] for record in records if record["type"].startswith("secret-")]
    assert [(item["key"], item["property"], item["version"], item["outcome"]) for item in noted] == [
        ("team/db", "password", "1", "read"),
        ("team/none", "", "", "notFound"),
        ("team/db", "", "2", "written"),
    ]
    assert noted[0]["shown"] == "stdout"
    assert all(item["actor"]["uid"].isdigit() for item in noted)
    everything = "\n".join(str(row) for table in _tables(database) for row in table)
    assert leaks(everything, [PASSWORD]) == []
    assert run(["audit", "verify"]) == exits.CLEAN


def _tables(database: Path):
    with sqlite3.connect(database) as connection:
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        yield from (connection.execute(f"select * from {name}").fetchall() for (name,) in names)  # noqa: S608
    connection.close()


def test_what_cannot_be_recorded_is_not_shown(shell):
    """A log that is there and cannot be written: no value leaves."""
    folder = shell.folder / "no-log"
    code, out, err = shell("get", "team/db", "--reveal", "--state-dir", str(folder))
    assert (code, out) == (exits.FAILED, b"")
    assert "there is no audit log" in err


def test_nothing_of_the_value_is_said(shell):
    """Without --reveal, in no guise and in no fragment, whatever goes wrong, with --debug too."""
    for words in (
        ("get", "team/db"), ("get", "team/db#password", "-o", "json"), ("get", "team/db#nothing"), ("get", "team/db@4"),
        ("get", "team/db#password", "--decode", "Base64"), ("get", "team/db#password.x", "--debug"),
        ("get", "team/db", "--decode", "Base64URL", "--debug"), ("get", "team/db#password", "--out", "/proc/no/such"),
    ):  # fmt: skip
        shell(*words)
    assert leaks(shell.said.decode(), [PASSWORD, "dG9rZW4tb2YtdGVzdHM="]) == []
    assert b"team/db" in shell.said


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("k", Reference("k")),
        ("a/b#p.q", Reference("a/b", "p.q")),
        ("a@3", Reference("a", "", "3")),
        ("a#p@3", Reference("a", "p", "3")),
        ("a#p#q@uuid/x", Reference("a", "p#q", "uuid/x")),
    ],
)
def test_references_are_divided(text, reference):
    """At the first # and the last @."""
    assert parse_reference(text) == reference


def test_a_reference_needs_a_key():
    """Nothing can be read without one."""
    with pytest.raises(UsageError):
        parse_reference("@3")
