"""SOPS files that are broken, huge, binary, oddly named, or that there is no room for: one clear line, nothing lost."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from gateway.cli.app import run
from gateway_secrets.sops import program
from gateway_secrets.sops.documents import format_of, read
from gateway_secrets.sops.errors import SopsError
from gateway_secrets.sops.opened import open_file

Captured = pytest.CaptureFixture[str]
SECRET = "hunter2-hunter2-hunter2"
FILES = {
    "a.yaml": f"a: {SECRET}\nb: other\n",
    "b.json": json.dumps({"a": SECRET, "b": "other"}),
    "c.env": f"a={SECRET}\nb=other\n",
    "d.ini": f"[s]\na = {SECRET}\nb = other\n",
    "e.bin": SECRET,
}


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An age identity, a rule for it, and the folder of both as the working folder."""
    made = pyrage.x25519.Identity.generate()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOPS_AGE_KEY", str(made))
    rules = {"creation_rules": [{"age": str(made.to_public())}]}
    (tmp_path / ".sops.yaml").write_text(json.dumps(rules))
    return made


def encrypted(name: str, text: str) -> bytes:
    return program.run(["encrypt", "--filename-override", name, "/dev/stdin"], given=text.encode())


@contextmanager
def no_room(least: int = 400) -> Iterator[None]:
    """The system refuses to write more than a few bytes to a file, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", FILES)
def test_truncated_files(identity: Any, name: str) -> None:
    """Wherever a file ends too early, within a value or between two: an error that holds no value, never half a file."""
    data = encrypted(name, FILES[name])
    whole = open_file(read(data, format_of(name)), [identity])
    assert SECRET in json.dumps(whole)
    for end in range(0, len(data.rstrip()) - 1, 13):
        try:
            found = open_file(read(data[:end], format_of(name)), [identity])
        except SopsError as error:
            assert SECRET not in str(error)  # noqa: PT017 - it need not fail where what is cut off says nothing
        else:
            assert found == whole


@pytest.mark.parametrize("name", FILES)
def test_truncated_values(identity: Any, name: str, capfd: Captured) -> None:
    """A value that is cut short, or in the middle of its tag, fails verify in every format."""
    text = encrypted(name, FILES[name]).decode()
    start = text.index("ENC[")
    end = text.index("]", start)
    for cut in (start + 20, end - 30, end - 5):
        Path(name).write_text(text[:cut] + text[end:])
        assert run(["sops", "verify", name, "-o", "json"]) == 3
        shown = capfd.readouterr().out
        assert "is not encrypted, or not built" in json.loads(shown)["findings"][0]["message"]


def test_ten_megabytes(identity: Any, capfd: Captured) -> None:
    """A secret of 10 MB is encrypted, verified, merged and decrypted; in plain text it is found, and not shown."""
    big = SECRET * (10 * 1024 * 1024 // len(SECRET))
    for name, last in (("base", "x"), ("ours", "y"), ("theirs", "x")):
        Path(f"{name}.env").write_text(f"PASSWORD={big}\nLAST={last}\n")
    assert run(["detect", "base.env"]) == 3
    assert run(["sops", "encrypt", "--in-place", "base.env", "ours.env", "theirs.env"]) == 0
    assert run(["sops", "merge", "base.env", "ours.env", "theirs.env"]) == 0
    assert run(["sops", "verify", "ours.env"]) == 0
    assert run(["sops", "decrypt", "ours.env", "-w", "plain.env"]) == 0
    assert SECRET not in "".join(capfd.readouterr())
    assert Path("plain.env").read_text() == f"PASSWORD={big}\nLAST=y\n"


def test_binary_data(identity: Any, capfd: Captured) -> None:
    """Bytes that are no text go in and come out; where text is needed, one line says what is wrong."""
    data = bytes(range(256)) * 8
    Path("e.bin").write_bytes(data)
    assert run(["sops", "encrypt", "--in-place", "e.bin"]) == 0
    assert run(["sops", "verify", "e.bin"]) == 0
    assert run(["sops", "decrypt", "e.bin", "-w", "out.bin"]) == 0
    assert Path("out.bin").read_bytes() == data
    Path("x.yaml").write_bytes(b"a: ENC[AES256_GCM,\xff\xfe\x00]\nsops: {}\n")
    assert run(["sops", "merge", "x.yaml", "x.yaml", "x.yaml"]) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("govgate: x.yaml: not merged: ours: is not UTF-8")


def test_odd_names(identity: Any, capfd: Captured) -> None:
    """Names with colons, dots, markers, quotes and line ends: what sops wrote opens here, merges, and opens there."""
    names = ["a:b", "c.d", "", " e", "<<<<<<< ours", "ENC[x]", 'q"\\', "n\nl", "Ö", "<&>", "x" * 500]
    tree = {"deep": {name: {name: "x"} for name in names}, "last": "x"}
    for side, last, first in (("base", "x", "x"), ("ours", "y", "x"), ("theirs", "x", "z")):
        tree["last"], tree["deep"]["a:b"]["a:b"] = last, first  # type: ignore[index]
        Path(f"{side}.json").write_bytes(encrypted("s.json", json.dumps(tree)))
    assert run(["sops", "verify", "base.json"]) == 0
    assert run(["sops", "merge", "base.json", "ours.json", "theirs.json", "s.json"]) == 0
    shown = json.loads(program.run(["decrypt", "ours.json"]))
    assert (shown["last"], shown["deep"]["a:b"]["a:b"]) == ("y", "z")
    assert list(shown["deep"]) == names
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk(identity: Any, name: str, capfd: Captured) -> None:
    """Whatever would write into a file, without room: the file is as it was, nothing lies beside it, one line says so."""
    old = encrypted(name, FILES[name])
    Path(name).write_bytes(old)
    other = pyrage.x25519.Identity.generate()
    Path(".sops.yaml").write_text(
        json.dumps({"creation_rules": [{"age": f"{identity.to_public()},{other.to_public()}"}]})
    )
    Path("plain").mkdir()
    Path("plain", name).write_text(FILES[name])
    before = sorted(Path().rglob("*"))
    for command in (
        ["rotate", "--in-place", name],
        ["updatekeys", name],
        ["settle", name],
        ["encrypt", "-i", f"plain/{name}"],
    ):
        with no_room():
            assert run(["sops", *command]) == 1, command
        assert "Traceback" not in capfd.readouterr().err
        assert Path(name).read_bytes() == old
        assert Path("plain", name).read_text() == FILES[name]
        assert sorted(Path().rglob("*")) == before


def test_a_full_disk_in_a_merge(identity: Any, capfd: Captured) -> None:
    """Ours is as it was, and Git is told that it is not merged."""
    for side, value in (("base", "x"), ("ours", "x"), ("theirs", "y")):
        Path(f"{side}.yaml").write_bytes(encrypted("s.yaml", f"a: {value}\n"))
    old = Path("ours.yaml").read_bytes()
    with no_room():
        assert run(["sops", "merge", "base.yaml", "ours.yaml", "theirs.yaml"]) == 1
    assert "cannot be written, and is as it was" in capfd.readouterr().err
    assert Path("ours.yaml").read_bytes() == old
