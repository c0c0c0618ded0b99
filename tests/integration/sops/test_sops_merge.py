"""A real git merge with the driver; the real sops takes what comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.cli.app import run
from gateway_secrets.sops import program
from gateway_secrets.sops.documents import read
from gateway_secrets.sops.identities import find_identities
from gateway_secrets.sops.merging import merge_files
from gateway_secrets.sops.sides import Keys

BASE = """\
# about a
a: hunter1
b:
    # about c
    c: hunter2
    n: 7
    empty: ""
l: [1, 2.5, true, null]
text: |
    several
    lines
m_unencrypted: |
    more
    lines
"""


class Repository:
    """A Git repository in which the driver merges ``s.yaml``; its branches are ``ours`` and ``theirs``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "s.yaml"
        self.git("init", "-q", "-b", "ours")
        driver = f"'{sys.executable}' -m gateway sops merge %O %A %B %P"
        for name, value in (("user.name", "a"), ("user.email", "a@b"), ("merge.govgate-sops.driver", driver)):
            self.git("config", name, value)
        (folder / ".gitattributes").write_text("*.yaml merge=govgate-sops\n")

    def git(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout + done.stderr

    def commit(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "x")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    identity = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("SOPS_AGE_KEY", str(identity))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    repository = Repository(tmp_path)
    recipient = str(identity.to_public())
    arguments = ["encrypt", "--age", recipient, "--filename-override", "s.yaml", "/dev/stdin"]
    repository.commit(program.run(arguments, given=BASE.encode()))
    repository.git("branch", "theirs")
    return repository


def put(path: Path, **values: Any) -> bytes:
    for name, value in values.items():
        index = "".join(f"[{json.dumps(part)}]" for part in name.split("__"))
        program.run(["set", str(path), index, json.dumps(value)])
    return path.read_bytes()


def test_git_merges(repository: Repository) -> None:
    """Changes of neighbouring keys on both sides: merged, and sops opens it with its comments."""
    path = repository.path
    repository.commit(put(path, b__c="ours", new={"x": [1, "y"]}))
    before = path.read_text()
    repository.git("checkout", "-q", "theirs")
    repository.commit(put(path, b__n=8, b__more={"deep": "hunter9"}, a="theirs", m_unencrypted="one\nline\n"))
    repository.git("checkout", "-q", "ours")
    said = repository.git("merge", "-q", "theirs")
    assert "hunter" not in said + path.read_text()
    text = program.run(["decrypt", str(path)]).decode()
    assert "# about a\na: theirs\n" in text
    assert '    # about c\n    c: ours\n    "n": 8\n' in text
    opened = json.loads(program.run(["decrypt", "--output-type", "json", str(path)]))
    assert opened == {
        "a": "theirs",
        "b": {"c": "ours", "n": 8, "empty": "", "more": {"deep": "hunter9"}},
        "l": [1, 2.5, True, None],
        "text": "several\nlines\n",
        "m_unencrypted": "one\nline\n",
        "new": {"x": [1, "y"]},
    }
    kept = [line for line in before.splitlines() if line.startswith(("text:", "    c:", "    - "))]
    assert kept
    assert set(kept) <= set(path.read_text().splitlines())


def test_git_merges_after_a_rotation(repository: Repository) -> None:
    """The side that rotated keeps its data key, whichever it is."""
    path = repository.path
    repository.commit(put(path, a="ours"))
    repository.git("checkout", "-q", "theirs")
    path.write_bytes(program.run(["rotate", str(path)]))
    repository.commit(put(path, b__n=9))
    rotated = path.read_text()
    repository.git("checkout", "-q", "ours")
    repository.git("merge", "-q", "theirs")
    opened = json.loads(program.run(["decrypt", "--output-type", "json", str(path)]))
    assert (opened["a"], opened["b"]["n"]) == ("ours", 9)
    assert "# about a\n" in program.run(["decrypt", str(path)]).decode()
    assert next(line for line in rotated.splitlines() if line.startswith("text:")) in path.read_text()


def test_both_sides_encrypted_anew(repository: Repository) -> None:
    """Comments of the side whose data key goes are encrypted for the other's; the same ones do not stand there twice."""
    path = repository.path
    text = BASE.replace("# about a", "# about a, more").replace("hunter1", "theirs")
    arguments = ["encrypt", "--filename-override", "s.yaml", "/dev/stdin"]
    recipient = read(path.read_bytes(), "yaml").metadata.age[0][0]
    theirs = program.run([*arguments, "--age", recipient], given=text.encode())
    base, ours = path.read_bytes(), program.run(["rotate", str(path)])
    path.write_bytes(merge_files(base, ours, theirs, Keys(find_identities()), "2026-11-26T00:00:00Z").data)
    shown = program.run(["decrypt", str(path)]).decode()
    assert shown.startswith("# about a, more\na: theirs\n")
    assert shown.count("#") == 2
    assert "#ENC" not in shown


def test_git_conflict(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key that both changed is left to a person, encrypted twice; the one chosen gets a MAC that sops takes."""
    path = repository.path
    monkeypatch.chdir(repository.folder)
    repository.commit(put(path, b__c="hunter3"))
    repository.git("checkout", "-q", "theirs")
    repository.commit(put(path, b__c="hunter4", a="theirs"))
    repository.git("checkout", "-q", "ours")
    said = repository.git("merge", "-q", "theirs", fails=True)
    assert "s.yaml: b.c: both sides changed it" in said
    text = path.read_text()
    assert "hunter" not in said + text
    assert run(["sops", "settle", "s.yaml"]) == 1
    assert "not settled" in capfd.readouterr().err
    before, _, rest = text.partition("<<<<<<< ours\n")
    one, _, rest = rest.partition("=======\n")
    _, _, after = rest.partition(">>>>>>> theirs\n")
    path.write_text(before + one + after)
    assert run(["sops", "settle", "s.yaml"]) == 0
    opened = json.loads(program.run(["decrypt", "--output-type", "json", str(path)]))
    assert (opened["a"], opened["b"]["c"]) == ("theirs", "hunter3")


def test_what_is_not_merged_stays(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a key: one line, and our file as it was."""
    path = repository.path
    monkeypatch.setenv("SOPS_AGE_KEY", str(pyrage.x25519.Identity.generate()))
    before = path.read_bytes()
    assert run(["sops", "merge", str(path), str(path), str(path), "s.yaml"]) == 1
    assert "ours: none of 1 age identities" in capfd.readouterr().err
    assert path.read_bytes() == before


def test_identities_that_only_sops_knows(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for an SSH key is merged by way of sops, though nothing in this process opens it."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    recipient = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    (tmp_path / "id").write_bytes(private)
    monkeypatch.setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", str(tmp_path / "id"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("SOPS_AGE_KEY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    arguments = ["encrypt", "--age", recipient, "--filename-override", "s.yaml", "/dev/stdin"]
    for side, text in (("base", "a: x\nb: y\n"), ("ours", "a: z\nb: y\n"), ("theirs", "a: x\nb: w\n")):
        (tmp_path / side).write_bytes(program.run(arguments, given=text.encode()))
    assert run(["sops", "merge", "base", "ours", "theirs", "s.yaml"]) == 0
    (tmp_path / "s.yaml").write_bytes((tmp_path / "ours").read_bytes())
    assert run(["sops", "decrypt", "s.yaml"]) == 0
    assert capfd.readouterr().out == "a: z\nb: w\n"
