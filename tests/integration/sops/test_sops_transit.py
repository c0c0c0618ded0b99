"""OpenBao's transit engine as sops's key service: every format, through the commands, with the real sops and server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from support.openbao import ROOT_TOKEN, OpenBao

from gateway.cli.app import run
from gateway_secrets.sops import program
from gateway_secrets.sops.documents import format_of, read, sops_of

FILES = {
    "a.yaml": '# about a\na: hunter1\nb:\n    c: hunter2\n    "n": 7\n',
    "b.json": '{\n\t"a": "hunter1",\n\t"b": {\n\t\t"c": "hunter2",\n\t\t"n": 7\n\t}\n}\n',
    "c.env": "#about a\na=hunter1\nc=hunter2\n",
    "d.ini": "[s]\n; about a\na = hunter1\nc = hunter2\n",
    "e.bin": "hunter1\n\x7fany\n",
}
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """A server with two transit keys; the token of ``reader`` may decrypt and encrypt with them."""
    server = OpenBao(tmp_path_factory.mktemp("transit"))
    try:
        server.start()
        server.root.sys.enable_secrets_engine("transit", path="sops")
        for name in ("one", "two"):
            server.root.secrets.transit.create_key(name, mount_point="sops")
        yield server
    finally:
        server.stop()


@pytest.fixture
def tree(tmp_path: Path, server: OpenBao, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a rule for the first key, and a file of every format, encrypted for it by ``sops encrypt``."""
    monkeypatch.chdir(tmp_path)
    for name in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_ADDR", server.url)
    monkeypatch.setenv("VAULT_TOKEN", ROOT_TOKEN)
    rule(tmp_path, hc_vault_transit_uri=address(server, "one"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    assert run(["sops", "encrypt", "--in-place", *FILES]) == 0
    return tmp_path


def address(server: OpenBao, key: str) -> str:
    return f"{server.url}/v1/sops/keys/{key}"


def rule(folder: Path, **keys: object) -> None:
    (folder / ".sops.yaml").write_text(json.dumps({"creation_rules": [{"path_regex": r"(^|\.)[a-e]\.", **keys}]}))


def test_every_format_both_ways(tree: Path, server: OpenBao, capfd: Captured) -> None:
    """Encrypted, decrypted, rotated and verified; the token, and what is encrypted, is shown nowhere."""
    for name, text in FILES.items():
        data = (tree / name).read_bytes()
        assert b"hunter" not in data
        assert read(data, format_of(name)).metadata.keys == {address(server, "one")}
        capfd.readouterr()
        assert run(["sops", "decrypt", name]) == 0
        assert capfd.readouterr().out == text
    before = {name: (tree / name).read_bytes() for name in FILES}
    assert run(["sops", "rotate", "--in-place", *FILES]) == 0
    for name in FILES:
        stated = [
            sops_of(data, format_of(name))["hc_vault"][0]["enc"] for data in (before[name], (tree / name).read_bytes())
        ]
        assert stated[0] != stated[1]
    assert run(["sops", "verify", ".", "-o", "json"]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["summary"]["judged"] == len(FILES)
    assert ROOT_TOKEN not in shown.out + shown.err
    assert "hunter" not in shown.out + shown.err


def test_changes_are_noticed(tree: Path, capfd: Captured) -> None:
    """A value that was moved fails verify in every format; so does a server that refuses the token, which is not shown."""
    for name in ("b.json", "c.env", "d.ini"):
        path = tree / name
        path.write_text(
            path.read_text().replace("a = ENC", "z = ENC").replace("a=ENC", "z=ENC").replace('"a": "ENC', '"z": "ENC')
        )
        assert run(["sops", "verify", name]) == 3
    assert "hunter" not in "".join(capfd.readouterr())


def test_a_token_that_is_refused(tree: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undecided, which fails; the token is in no message."""
    monkeypatch.setenv("VAULT_TOKEN", "s.not-the-token-of-anybody")
    assert run(["sops", "verify", "a.yaml"]) == 3
    assert run(["sops", "decrypt", "a.yaml"]) == 1
    assert run(["sops", "merge", "a.yaml", "a.yaml", "a.yaml"]) == 1
    shown = "".join(capfd.readouterr())
    assert "its data key cannot be opened" in shown
    assert "not-the-token" not in shown
    assert "hunter" not in shown


def test_updatekeys(tree: Path, server: OpenBao, capfd: Captured) -> None:
    """Rules that name another key: said first, then done, with data keys and values as they were, in every format."""
    identity = pyrage.x25519.Identity.generate()
    rule(tree, hc_vault_transit_uri=address(server, "two"), age=str(identity.to_public()))
    before = {name: (tree / name).read_bytes() for name in FILES}
    assert run(["sops", "lint", "-o", "json"]) == 3
    found = json.loads(capfd.readouterr().out)["findings"]
    assert {finding["rule"] for finding in found} == {"sops/recipients"}
    assert len({finding["location"]["path"] for finding in found}) == len(FILES)
    assert run(["sops", "updatekeys", "--dry-run"]) == 2
    said = capfd.readouterr().out
    assert f"+{address(server, 'two')}" in said
    assert f"-{address(server, 'one')}" in said
    assert before == {name: (tree / name).read_bytes() for name in FILES}
    assert run(["sops", "updatekeys"]) == 0
    for name, text in FILES.items():
        now = read((tree / name).read_bytes(), format_of(name))
        assert now.metadata.keys == {address(server, "two"), str(identity.to_public())}
        assert now.documents == read(before[name], format_of(name)).documents
        capfd.readouterr()
        assert run(["sops", "decrypt", name]) == 0
        assert capfd.readouterr().out == text
    assert run(["sops", "updatekeys", "--dry-run"]) == 0
    assert run(["sops", "lint"]) == 0


@pytest.mark.parametrize("name", ["a.yaml", "b.json", "c.env", "d.ini"])
def test_merged_by_way_of_sops(tree: Path, name: str, capfd: Captured) -> None:
    """Two sides that changed neighbours, one of which rotated: merged; sops opens it, MAC and comments included."""
    base = (tree / name).read_bytes()
    for side, old, new in (("ours", "hunter1", "hunter3"), ("theirs", "hunter2", "hunter4")):
        (tree / name).write_bytes(base)
        edited(tree, name, old, new)
        (tree / f"{side}.{name}").write_bytes((tree / name).read_bytes())
    (tree / f"base.{name}").write_bytes(base)
    assert run(["sops", "rotate", "--in-place", f"theirs.{name}"]) == 0
    assert run(["sops", "merge", *(f"{side}.{name}" for side in ("base", "ours", "theirs")), name]) == 0
    (tree / name).write_bytes((tree / f"ours.{name}").read_bytes())
    capfd.readouterr()
    assert run(["sops", "decrypt", name]) == 0
    shown = capfd.readouterr().out
    assert shown == FILES[name].replace("hunter1", "hunter3").replace("hunter2", "hunter4")
    assert run(["sops", "verify", name]) == 0


def test_key_groups_are_merged_too(tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data key that is split over two groups is put together by sops; the merged file still needs both."""
    monkeypatch.chdir(tmp_path)
    pair = [pyrage.x25519.Identity.generate() for _ in range(2)]
    groups = [{"age": [str(one.to_public())]} for one in pair]
    rules = {"creation_rules": [{"key_groups": groups, "shamir_threshold": 2}]}
    (tmp_path / ".sops.yaml").write_text(json.dumps(rules))
    monkeypatch.setenv("SOPS_AGE_KEY", "\n".join(map(str, pair)))
    for name, text in (("base", "a: x\nb: y\n"), ("ours", "a: z\nb: y\n"), ("theirs", "a: x\nb: w\n")):
        (tmp_path / f"{name}.yaml").write_text(text)
        assert run(["sops", "encrypt", "--in-place", f"{name}.yaml"]) == 0
    assert run(["sops", "merge", "base.yaml", "ours.yaml", "theirs.yaml"]) == 0
    capfd.readouterr()
    assert run(["sops", "decrypt", "ours.yaml"]) == 0
    assert capfd.readouterr().out == "a: z\nb: w\n"
    assert run(["sops", "verify", "ours.yaml"]) == 0
    monkeypatch.setenv("SOPS_AGE_KEY", str(pair[0]))
    assert run(["sops", "decrypt", "ours.yaml"]) == 1


def test_a_whole_file_in_conflict(tree: Path, capfd: Captured) -> None:
    """Both sides changed a binary file: told how to choose, and ours as it was."""
    base = (tree / "e.bin").read_bytes()
    for side in ("ours", "theirs"):
        (tree / "e.bin").write_text(side)
        assert run(["sops", "encrypt", "--in-place", "e.bin"]) == 0
        (tree / side).write_bytes((tree / "e.bin").read_bytes())
    (tree / "base").write_bytes(base)
    ours = (tree / "ours").read_bytes()
    assert run(["sops", "merge", "base", "ours", "theirs", "e.bin"]) == 1
    assert "git checkout --ours" in capfd.readouterr().err
    assert (tree / "ours").read_bytes() == ours


def edited(folder: Path, name: str, old: str, new: str) -> None:
    """Change a value as a person does, by sops edit."""
    editor = folder / "editor"
    editor.write_text(f'#!/bin/sh\nsed -i s/{old}/{new}/ "$1"\n')
    editor.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDITOR", str(editor))
        program.edit(name)
    editor.unlink()
