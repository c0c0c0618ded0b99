"""``check`` of structured files, from the command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from gateway.cli.app import app
from gateway.core.errors import UsageError

pytestmark = pytest.mark.native

RULES = """package main
import rego.v1
warn contains {"msg": "on", "field": "debug"} if input.debug
warn contains "all" if count(input) == 2
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.rego").write_text(RULES)
    return str(tmp_path / "rules")


def test_a_parser_for_standard_input(
    rules: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """YAML unless another one is chosen; findings are in its lines."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a = 1\ndebug = true\n")))
    command = ["check", "-", "--policies", rules, "--parser", "toml", "-o", "json", "--fail-on", "warn"]
    assert app(command, result_action="return_value") == 2
    found = {one["message"]: one["location"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found == {"on": {"path": "standard input", "line": 2}, "all": {"path": "standard input", "line": 1}}


def test_an_unknown_parser(rules: str) -> None:
    """Is bad usage, answered by the names that there are."""
    with pytest.raises(UsageError, match="there is no parser cue; there are yaml, json,"):
        app(["check", ".", "--policies", rules, "--parser", "cue"], result_action="return_value")


def test_all_files_at_once(rules: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Are two here, for a rule that counts them."""
    (tmp_path / "a.toml").write_text("")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "bad.ini").write_text("no delimiter\n")
    command = ["check", f"{tmp_path}/*.*", "--policies", rules, "--combine"]
    assert app(command, result_action="return_value") == 1
    told = capsys.readouterr()
    assert told.out.startswith("warn: File Combined: all [rego/main/warn, ")
    assert f"{tmp_path}/bad.ini:1: not readable as ini: key-value delimiter not found" in told.err
