"""``govgate detect``: what it reads, what it says, and what it ends with."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.fake_secrets import make

from gateway.cli.app import run

pytestmark = pytest.mark.native

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: web}\nstringData:\n  password: hunter2\n"
CLEAN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {level: info}\n"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a Secret, a clean file, a hidden one, and one that is no text."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "secret.yaml").write_text(SECRET)
    (tmp_path / "deploy" / "clean.yaml").write_text(CLEAN)
    (tmp_path / ".env").write_text(f"TOKEN={make('github_token', 'env')}\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\0\0password = hunter2\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "start")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def found(capfd: Captured, *words: str, code: int) -> Any:
    assert run(["detect", *words, "-o", "json"]) == code
    return json.loads(capfd.readouterr().out)


def test_findings_in_a_tree(capfd: Captured) -> None:
    """Objects by their identity, other files by their path from the root of the repository; binary files are counted."""
    report = found(capfd, ".", code=3)
    shown = [(f["rule"], f["resource"]["kind"], f["field"], f["location"]) for f in report["findings"]]
    assert sorted(shown, key=str) == [
        ("detect/github-token", "File", "[1]", {"path": "./.env", "line": 1}),
        ("detect/kubernetes-secret", "Secret", "stringData.password", {"path": "./deploy/secret.yaml", "line": 5}),
    ]
    assert report["summary"]["judged"] == 3
    assert report["summary"]["skipped"] == 1
    assert report["summary"]["denied"] == 2


def test_ids_do_not_depend_on_where_it_runs(capfd: Captured, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root, from a folder below, by an absolute path: the same ids."""
    ids = {f["id"] for f in found(capfd, ".", code=3)["findings"]}
    assert {f["id"] for f in found(capfd, str(tree), code=3)["findings"]} == ids
    monkeypatch.chdir(tree / "deploy")
    assert {f["id"] for f in found(capfd, "..", code=3)["findings"]} == ids


def test_clean_files_are_clean(capfd: Captured) -> None:
    """Nothing found, nothing said, exit code 0."""
    assert found(capfd, "deploy/clean.yaml", code=0)["findings"] == []


def test_what_may_be_none_warns(capfd: Captured, tree: Path) -> None:
    """The id of a key is no secret by itself: a warning, which fails only when asked."""
    (tree / "id.txt").write_text(f"key {make('aws_key_id', 'x')}\n")
    assert found(capfd, "id.txt", code=0)["summary"]["warned"] == 1
    found(capfd, "id.txt", "--fail-on", "warn", code=2)


def test_only_what_changed(capfd: Captured, tree: Path) -> None:
    """--changed-since looks at files that differ from the revision, and at new ones."""
    found(capfd, ".", "--changed-since", "HEAD", code=0)
    (tree / "new.env").write_text("PASSWORD=hunter2\n")
    report = found(capfd, ".", "--changed-since", "HEAD", code=3)
    assert [f["location"]["path"] for f in report["findings"]] == ["./new.env"]


def test_a_baseline_from_writing_to_lapse(capfd: Captured, tree: Path) -> None:
    """Written, it excepts what is there; not what comes; a lapsed entry, and one without use, are named."""
    found(capfd, ".", "--baseline", "b.yaml", "--write-baseline", "--reason", "known", code=0)
    text = (tree / "b.yaml").read_text()
    assert "hunter2" not in text
    assert text.count("reason: known") == 2
    report = found(capfd, ".", "--baseline", "b.yaml", code=0)
    assert all(f["exception"].startswith("baseline/f-") for f in report["findings"])
    (tree / "deploy" / "secret.yaml").write_text(SECRET + "  token: another-one-7\n")
    assert found(capfd, ".", "--baseline", "b.yaml", code=3)["summary"]["denied"] == 1
    lapsed = "\n".join("  expires: '2020-01-01'" if "expires" in line else line for line in text.splitlines())
    (tree / "b.yaml").write_text(lapsed)
    (tree / ".env").write_text("")
    assert run(["detect", ".", "--baseline", "b.yaml"]) == 3
    said = capfd.readouterr().err
    assert "lapsed on 2020-01-01: it counts again" in said
    assert "matches nothing: take it out" in said


def test_comments_accept_findings(capfd: Captured, tree: Path) -> None:
    """A suppression with rule, date and reason holds here as in check; --no-suppressions takes no notice."""
    line = 'PASSWORD=hunter2 # govgate:ignore detect/named-password until=2099-01-01 reason="a fixture"\n'
    (tree / "config.yaml").write_text("check: {maxDays: 3650}\n")
    (tree / "a.env").write_text(line.replace("2099", "2027"))
    assert found(capfd, "a.env", "--config", "config.yaml", code=0)["findings"][0]["exception"] == "suppression/a.env:1"
    found(capfd, "a.env", "--no-suppressions", code=3)


@pytest.mark.parametrize("output", ["table", "yaml", "sarif", "junit", "github", "gitlab", "markdown"])
def test_every_format(capfd: Captured, output: str) -> None:
    """All of check's formats, none with the value, each with the rule or the message."""
    assert run(["detect", ".", "-o", output]) == 3
    shown = capfd.readouterr().out
    assert "hunter2" not in shown
    assert "ghp_" not in shown
    assert "GitHub" in shown


def test_standard_input(capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """- is standard input: manifests as such."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SECRET.encode())))
    assert found(capfd, "-", code=3)["findings"][0]["resource"]["name"] == "db"


def test_files_in_other_encodings(capfd: Captured, tree: Path) -> None:
    """UTF-16 with its mark is read; of other encodings, what is ASCII."""
    (tree / "u.env").write_bytes("PASSWORD=hunter2\n".encode("utf-16"))
    (tree / "l.env").write_bytes("# Schlüssel\nPASSWORD=hunter2\n".encode("latin-1"))
    assert len(found(capfd, "u.env", "l.env", code=3)["findings"]) == 2


def test_templates_are_looked_at_as_text(capfd: Captured, tree: Path) -> None:
    """What cannot be read as YAML, such as a chart's template, is no error, and is looked at line by line."""
    (tree / "t.yaml").write_text(CLEAN + '---\nkind: Secret\nname: {{ .Release.Name }}\n  password: "hunter2"\n')
    (finding,) = found(capfd, "t.yaml", code=3)["findings"]
    assert (finding["rule"], finding["location"]["line"]) == ("detect/named-password", 8)


def test_what_is_missing_is_a_problem(capfd: Captured) -> None:
    """A path that is not there fails the run; the rest is looked at."""
    assert len(found(capfd, "deploy", "nothing-here", code=1)["findings"]) == 1
    assert run(["detect"]) == 64
    assert run(["detect", ".", "--write-baseline"]) == 64


def test_check_looks_too_if_it_is_configured(capfd: Captured, tree: Path) -> None:
    """With secrets.detect, check finds in manifests what detect finds, by the same ids; without, it does not look."""
    by_detect = {f["id"] for f in found(capfd, "deploy", code=3)["findings"]}
    (tree / "config.yaml").write_text("policy: {sources: ['builtin:network']}\nsecrets: {detect: deny}\n")
    assert run(["check", "deploy", "--config", "config.yaml", "-o", "json"]) == 3
    assert {f["id"] for f in json.loads(capfd.readouterr().out)["findings"]} == by_detect
    (tree / "config.yaml").write_text("policy: {sources: ['builtin:network']}\n")
    assert run(["check", "deploy", "--config", "config.yaml", "-o", "json"]) == 0


def test_what_was_committed_and_taken_out_again(capfd: Captured, tree: Path) -> None:
    """With --history a credential in a commit in between is found, once, with the commit; what is still there too."""
    author = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    odd = tree / "deploy" / "odd \u00fc name.env"
    odd.write_text("x=1\nPASSWORD=hunter2\n")
    git(tree, "add", "-A")
    git(tree, *author, "commit", "-qm", "in")
    odd.unlink()
    (tree / "deploy" / "still.env").write_text("PASSWORD=hunter3\n")
    git(tree, "add", "-A")
    git(tree, *author, "commit", "-qm", "out")
    report = found(capfd, ".", "--changed-since", "HEAD~2", code=3)
    assert [f["location"]["path"] for f in report["findings"]] == ["./deploy/still.env"]
    report = found(capfd, ".", "--changed-since", "HEAD~2", "--history", code=3)
    assert [(f["location"]["path"], f["location"]["line"]) for f in report["findings"]] == [
        ("./deploy/still.env", 1),
        ("deploy/odd \u00fc name.env", 2),
    ]
    assert "no longer in the file" in report["findings"][1]["message"]
    found(capfd, "logo.png", "--changed-since", "HEAD~2", "--history", code=0)
    gone = found(capfd, "deploy/*.env", "--changed-since", "HEAD~2", "--history", code=3)
    assert len(gone["findings"]) == 2
    assert run(["detect", ".", "--history"]) == 64
    assert run(["detect", ".", "--changed-since", "nothing", "--history"]) == 1
