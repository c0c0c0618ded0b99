"""`govgate seal` and its subcommands, as people and scripts call them."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.sealing import CANARY, certificate_pem, key_pem, key_secret, private_key, read_sealed, secret_document

from gateway.cli.app import run
from gateway_secrets.sealed.hybrid import decode, unseal
from gateway_secrets.sealed.sealing import unseal_values


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with certificates and keys, which is the working directory and the user's home."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.pem").write_bytes(certificate_pem(name))
        (tmp_path / f"{name}.key").write_bytes(key_pem(name))
    (tmp_path / "old.pem").write_bytes(certificate_pem("a", -1))
    (tmp_path / "secret.yaml").write_text(yaml.safe_dump(secret_document(password=CANARY, user="bob")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("GOVGATE_SEAL_KEY", raising=False)
    for name in ("SEALED_SECRETS_CERT", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


class Ran:
    """A command that ran. Its output never holds the plaintext."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *words: str, plain: bool = False) -> None:
        self.code = run(list(words))
        self.out, self.err = capfd.readouterr()
        assert plain or CANARY not in self.out
        assert CANARY not in self.err

    @property
    def documents(self) -> list[Any]:
        return list(yaml.safe_load_all(self.out))


@pytest.fixture
def seal(capfd: pytest.CaptureFixture[str]):
    """Runs `govgate seal …`."""
    return lambda *words, **more: Ran(capfd, "seal", *words, **more)


def typed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def opened(document: Any, key: str = "a") -> dict[str, bytes]:
    return unseal_values(read_sealed(document), [private_key(key)])


BOTH = {"password": CANARY.encode(), "user": b"bob"}


def test_a_secret_from_standard_input(seal, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON or YAML, one or more, in a List or not."""
    items = {"apiVersion": "v1", "kind": "List", "items": [secret_document("u"), secret_document("v")]}
    typed(monkeypatch, json.dumps(secret_document()).encode() + b"\n---\n" + yaml.safe_dump(items).encode())
    done = seal("--cert", "a.pem")
    assert done.code == 0
    assert [one["metadata"]["name"] for one in done.documents] == ["db", "u", "v"]
    assert all(opened(one) == {"password": CANARY.encode()} for one in done.documents)


def test_json_is_printed_on_request(seal) -> None:
    """As kubeseal prints it by default."""
    assert opened(json.loads(seal("secret.yaml", "--cert", "a.pem", "-o", "json").out)) == BOTH


@pytest.mark.parametrize("scope", ["strict", "namespace-wide", "cluster-wide"])
def test_a_scope_is_stated_where_it_counts(seal, scope: str) -> None:
    """In the metadata and in the template."""
    (made,) = seal("secret.yaml", "--cert", "a.pem", "--scope", scope).documents
    assert read_sealed(made).scope == scope
    stated = f"sealedsecrets.bitnami.com/{scope}" in made["spec"]["template"]["metadata"].get("annotations", {})
    assert stated is (scope != "strict")


def test_values_of_all_kinds(seal, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Literals, files, folders, standard input, env files: as kubectl create secret takes them."""
    (here / "f.bin").write_bytes(b"\0\xff")
    (here / "folder").mkdir()
    (here / "folder" / "one").write_text("1")
    (here / ".env").write_text("# comment\n\nA=1\n B= x \nC=a=b\n")
    typed(monkeypatch, b"typed")
    words = ["--from-literal", "l=v=w", "--from-file", "f.bin", "--from-file", "k=f.bin", "--from-file", "folder"]
    words += ["--from-file", "in=-", "--from-env-file", ".env", "--type", "example.com/x"]
    done = seal("--cert", "a.pem", "--name", "db", "-n", "web", *words)
    (made,) = done.documents
    assert opened(made) == {
        "l": b"v=w", "f.bin": b"\0\xff", "k": b"\0\xff", "one": b"1", "in": b"typed", "A": b"1", "B": b" x ", "C": b"a=b",
    }  # fmt: skip
    assert made["spec"]["template"]["type"] == "example.com/x"


def test_a_raw_value(seal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealed value and nothing else; for the place that is named."""
    typed(monkeypatch, CANARY.encode())
    done = seal("--raw", "--cert", "a.pem", "-n", "web", "--name", "db")
    assert unseal([private_key()], decode(done.out.strip()), b"web/db") == CANARY.encode()
    wide = seal("--raw", "--cert", "a.pem", "--scope", "cluster-wide", "--from-literal", f"x={CANARY}")
    assert unseal([private_key()], decode(wide.out.strip()), b"") == CANARY.encode()
    several = seal(
        "--raw", "--cert", "a.pem", "--cert", "b.pem", "-n", "web", "-n", "api", "--name", "db", "secret.yaml"
    )
    lines = dict(line.split(": ") for line in several.out.splitlines())
    assert list(lines) == ["a/web", "a/api", "b/web", "b/api"]
    assert unseal([private_key("b")], decode(lines["b/api"]), b"api/db")


def test_several_clusters_and_namespaces(seal, here: Path) -> None:
    """One output for each, from one registry."""
    (here / "clusters.yaml").write_text(
        "clusters: [{name: prod, certificate: a.pem, namespaces: [web, api]}, {name: dev, certificate: b.pem}]"
    )
    (here / "s.yaml").write_text(yaml.safe_dump(secret_document("db", "")))
    both = seal("s.yaml", "--clusters", "clusters.yaml", "-n", "x", "-n", "y")
    places = [
        (one["metadata"]["namespace"], key) for one, key in zip(both.documents, "aabb", strict=True) if opened(one, key)
    ]
    assert places == [("x", "a"), ("y", "a"), ("x", "b"), ("y", "b")]
    assert [line for line in both.out.splitlines() if line.startswith("#")] == ["# cluster: prod", "# cluster: dev"]
    assert (
        seal(
            "s.yaml", "--clusters", "clusters.yaml", "--cluster", "prod", "-w", "{cluster}/{namespace}/{name}.yaml"
        ).code
        == 0
    )
    assert sorted(str(path.relative_to(here)) for path in here.glob("prod/**/*.yaml")) == [
        "prod/api/db.yaml", "prod/web/db.yaml",
    ]  # fmt: skip
    assert "names no namespace" in seal("s.yaml", "--clusters", "clusters.yaml").err


def test_sealing_again_changes_no_byte(seal, here: Path) -> None:
    """Of what did not change; the file is not even written."""
    done = seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml")
    assert (done.code, done.out) == (0, "")
    assert "out.yaml: 2 values sealed, 0 unchanged" in done.err
    out = here / "out.yaml"
    out.write_text("# mine\n" + out.read_text())
    before, stamp = out.read_bytes(), out.stat()
    assert "0 values sealed, 2 unchanged" in seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml").err
    assert (out.read_bytes(), out.stat().st_ino, out.stat().st_mtime_ns) == (before, stamp.st_ino, stamp.st_mtime_ns)
    (here / "secret.yaml").write_text(yaml.safe_dump(secret_document(password="new", user="bob")))
    assert "1 values sealed, 1 unchanged" in seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml").err
    changed = {new for old, new in zip(before.splitlines(), out.read_bytes().splitlines(), strict=True) if old != new}
    assert {line.split()[0] for line in changed} == {
        b"seal.govgate.dev/certificates:", b"seal.govgate.dev/digests:", b"password:",
    }  # fmt: skip
    assert opened(yaml.safe_load(out.read_text())) == {"password": b"new", "user": b"bob"}
    assert "2 values sealed" in seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml", "--all").err


def test_a_plain_secret_is_not_written_over(seal, here: Path) -> None:
    """-w with the wrong name must not cost the only copy."""
    before = (here / "secret.yaml").read_bytes()
    done = seal("secret.yaml", "--cert", "a.pem", "-w", "secret.yaml")
    assert (done.code, "is a Secret, not a SealedSecret" in done.err) == (1, True)
    assert (here / "secret.yaml").read_bytes() == before


def test_merging_into_a_file(seal, here: Path) -> None:
    """Its comments and order stay; what is for another object is refused."""
    seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml", "--scope", "namespace-wide")
    out = here / "out.yaml"
    out.write_text(out.read_text().replace("    user:", "    # who\n    user:"))
    assert seal("--cert", "a.pem", "--merge-into", "out.yaml", "--from-literal", "token=t").code == 0
    made = yaml.safe_load(out.read_text())
    assert opened(made) == BOTH | {"token": b"t"}
    assert "    # who\n" in out.read_text()
    for words in (["--name", "other"], ["-n", "shop"], ["--scope", "strict"]):
        before = out.read_bytes()
        assert seal("--cert", "a.pem", "--merge-into", "out.yaml", "--from-literal", "token=u", *words).code == 1
        assert out.read_bytes() == before


def test_an_expired_certificate_is_refused_and_a_warning_is_given_before(seal, here: Path) -> None:
    """The warning can fail a job."""
    done = seal("secret.yaml", "--cert", "old.pem")
    assert (done.code, done.out) == (1, "")
    assert "old.pem: expired on" in done.err
    warned = seal("secret.yaml", "--cert", "a.pem", "--warn-days", "5000", "--fail-on", "warn")
    assert (warned.code, "warning: a.pem: expires on" in warned.err) == (2, True)
    assert len(warned.documents) == 1
    (here / "clusters.yaml").write_text("clusters: [{name: a, certificate: a.pem, expires: '2020-01-01'}]")
    assert "expired on 2020-01-01" in seal("secret.yaml", "--clusters", "clusters.yaml").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which certificate?"),
        (["--cert", "a.pem", "--clusters", "x"], "either --cert or --clusters"),
        (["--cert", "a.pem", "--cert", "./a.pem"], "the same name"),
        (["--cluster", "x"], "--clusters FILE"),
        (["secret.yaml", "--cert", "a.pem", "--from-literal", f"a={CANARY}"], "either files of Secrets"),
        (["--cert", "a.pem", "--raw", "-w", "x", "-n", "a", "--name", "b", "secret.yaml"], "leave --write away"),
        (["--cert", "a.pem", "--raw", "secret.yaml"], "needs --namespace"),
        (["--cert", "a.pem", "--raw", "-n", "a", "secret.yaml"], "needs --name"),
        (["--cert", "a.pem", "--merge-into", "x", "-w", "y"], "leave --write"),
    ],
)
def test_bad_usage_is_64(seal, words: list[str], said: str) -> None:
    """And says what is missing."""
    done = seal(*words)
    assert (done.code, said in done.err) == (64, True), done.err


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (secret_document() | {"kind": "ConfigMap"}, [], "is a ConfigMap"),
        (secret_document() | {"data": {"a": CANARY}}, [], "data.a is no base64"),
        (secret_document(**{"a b": CANARY}), [], "cannot be a key of a Secret"),
        (secret_document("db", "shop"), ["-n", "web"], "is for namespace shop, not web"),
        (secret_document("", "web"), [], "has no name"),
        (secret_document("db", ""), [], "names no namespace"),
        (secret_document() | {"stringData": {}}, [], "--allow-empty"),
        (json.dumps(secret_document(a="x" * 10_000_000)), [], "a Secret may hold 1,048,576"),
        (f"a: *{CANARY}", [], "is no YAML"),
        (CANARY, [], "is no Kubernetes object"),
        ("", [], "holds no Secret"),
        (f"apiVersion: v1\nkind: Secret\nx: {'[' * 900}{']' * 900}", [], ""),
        (f"apiVersion: v1\nkind: Secret\nx: {'[' * 5000}{']' * 5000}", [], ""),
        ([secret_document(), secret_document()], [], "is there twice"),
        ([secret_document("u"), secret_document("v")], ["--name", "z"], "--name is for one Secret"),
        (secret_document(), ["-w", "{x}.yaml"], "no other braces"),
    ],
)
def test_bad_input_is_one_line(seal, here: Path, content: Any, words: list[str], said: str) -> None:
    """Exit code 1, nothing printed, nothing written, nothing of the input quoted."""
    text = (
        content if isinstance(content, str) else yaml.safe_dump_all(content if isinstance(content, list) else [content])
    )
    (here / "in.yaml").write_text(text)
    files = set(here.rglob("*"))
    done = seal("in.yaml", "--cert", "a.pem", *words)
    assert (done.code, done.out) == (1, "")
    lines = [line for line in done.err.splitlines() if "seal-digest.key" not in line]
    assert (len(lines), said in lines[0]) == (1, True), done.err
    assert {
        path for path in set(here.rglob("*")) - files if path.name not in {"config", "govgate", "seal-digest.key"}
    } == set()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([f"--from-litteral=password={CANARY}"], 64),
        (["--from-litteral", f"password={CANARY}"], 64),
        (["--from-file", f"password={CANARY}"], 1),
        (["--from-literal", CANARY], 1),
    ],
)
def test_a_value_in_the_wrong_place_is_not_shown(seal, words: list[str], code: int) -> None:
    """Logs of jobs keep what is printed. (That it is not shown, every test here checks.)"""
    assert seal("--cert", "a.pem", "--name", "db", "-n", "web", *words).code == code


def test_options_may_come_before_files(seal) -> None:
    """A repeatable option takes one word."""
    assert len(seal("--cert", "a.pem", "secret.yaml", "-n", "web", "-").documents) == 0
    assert len(seal("--cert", "a.pem", "secret.yaml").documents) == 1


def test_merging_for_several_clusters(seal, here: Path) -> None:
    """Each into its own file; what is missing in one leaves all as they were."""
    seal("secret.yaml", "--cert", "a.pem", "--cert", "b.pem", "-w", "{cluster}/s.yaml")
    words = ["--cert", "a.pem", "--cert", "b.pem", "--from-literal", "token=t", "--merge-into"]
    assert seal(*words, "{cluster}/s.yaml").code == 0
    for key in "ab":
        assert opened(yaml.safe_load((here / key / "s.yaml").read_text()), key) == BOTH | {"token": b"t"}
    assert seal(*words, "a/s.yaml").code == 64
    (here / "b" / "s.yaml").unlink()
    before = (here / "a" / "s.yaml").read_bytes()
    assert seal(*words[:5], "token=u", "--merge-into", "{cluster}/s.yaml").code == 1
    assert (here / "a" / "s.yaml").read_bytes() == before


def test_the_controllers_keys_can_be_backed_up(seal, here: Path) -> None:
    """Sealed for a certificate whose key lies elsewhere; recovered, they are the Secrets that they were."""
    keys = {"apiVersion": "v1", "kind": "List", "items": [key_secret("a"), key_secret("c")]}
    (here / "keys.yaml").write_text(yaml.safe_dump(keys))
    seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml")
    assert seal("keys.yaml", "--cert", "b.pem", "-w", "backup.yaml").code == 0
    assert seal("recover", "backup.yaml", "--key", "b.key", "-w", "restored.yaml").code == 0
    assert list(yaml.safe_load_all((here / "restored.yaml").read_text())) == keys["items"]
    assert seal("validate", "out.yaml", "--key", "restored.yaml").code == 0


def test_two_clusters_do_not_share_a_file(seal) -> None:
    """Half of it would be of no use to either."""
    assert (
        "put {cluster} into the name" in seal("secret.yaml", "--cert", "a.pem", "--cert", "b.pem", "-w", "x.yaml").err
    )


def test_without_a_place_for_the_digest_key_it_seals_all_the_same(seal, here: Path) -> None:
    """And says that unchanged values will not be recognised."""
    (here / "config").write_text("no folder")
    done = seal("secret.yaml", "--cert", "a.pem")
    assert (done.code, "unchanged values will not be recognised" in done.err) == (0, True)
    assert opened(done.documents[0]) == BOTH


def test_the_certificate_may_come_from_kubeseals_variable(seal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that set it keep working."""
    monkeypatch.setenv("SEALED_SECRETS_CERT", "b.pem")
    assert opened(seal("secret.yaml").documents[0], "b") == BOTH


def test_validate(seal, here: Path) -> None:
    """Exit codes: 0, 3 for what does not open, 2 for warnings on request, 1 for what cannot be read."""
    seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml")
    assert seal("validate", "out.yaml", "--key", "a.key", "--key", "b.key", "--cert", "a.pem").code == 0
    wrong = seal("validate", "out.yaml", "--key", "b.key", "-o", "json")
    assert wrong.code == 3
    rules = {(one["rule"], one["field"], one["location"]["path"]) for one in json.loads(wrong.out)["findings"]}
    assert rules == {("sealed/opens", f"spec.encryptedData.{key}", "out.yaml") for key in BOTH}
    assert seal("validate", "out.yaml", "--warn-days", "5000").code == 0
    assert seal("validate", "out.yaml", "--warn-days", "5000", "--fail-on", "warn").code == 2
    assert seal("validate", "missing.yaml").code == 1
    (here / "bad.yaml").write_text(f"kind: SealedSecret\na: *{CANARY}")
    assert re.search(r"govgate: bad\.yaml:[12]: is no YAML that Kubernetes reads\n", seal("validate", "bad.yaml").err)
    assert (seal("validate", "bad.yaml").code, seal("validate", ".", "--key", "a.key").code) == (1, 1)


def test_a_malformed_sealed_secret_is_a_finding(seal, here: Path) -> None:
    """It was read: it is wrong."""
    (here / "x.yaml").write_text(
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec: {encryptedData: {a: 1}}\n"
    )
    done = seal("validate", "x.yaml")
    assert (done.code, "encryptedData.a is no text" in done.out) == (3, True)


@pytest.mark.native
def test_a_finding_has_its_line(seal, here: Path) -> None:
    """That of the value."""
    seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml")
    (here / "out.yaml").write_text(
        "# head\n---\nkind: X\napiVersion: v1\n" + (here / "out.yaml").read_text() + "---\na: 1\n"
    )
    done = seal("validate", "out.yaml", "--key", "b.key", "-o", "json")
    lines = (here / "out.yaml").read_text().splitlines()
    assert len(json.loads(done.out)["findings"]) == 2
    for one in json.loads(done.out)["findings"]:
        assert lines[one["location"]["line"] - 1].strip().startswith(one["field"].rpartition(".")[2])


def test_reencrypt_in_place(seal, here: Path) -> None:
    """For another key, in a tree of files: other objects and comments stay."""
    (here / "d").mkdir()
    seal("secret.yaml", "--cert", "a.pem", "--scope", "cluster-wide", "-w", "d/out.yaml")
    out = here / "d" / "out.yaml"
    out.write_text("# head\n" + out.read_text() + "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\n")
    (here / "d" / "other.yaml").write_text("a: [1,  2]")
    done = seal("reencrypt", "d", "--key", "a.key", "--cert", "b.pem", "--in-place")
    assert (done.code, "2 values sealed again" in done.err) == (0, True)
    made, other = yaml.safe_load_all(out.read_text())
    assert opened(made, "b") == BOTH
    assert (read_sealed(made).scope, other["kind"], out.read_text()[:7]) == ("cluster-wide", "ConfigMap", "# head\n")
    before = out.read_bytes()
    failed = seal("reencrypt", "d", "--key", "a.key", "--cert", "a.pem", "-i")
    assert (failed.code, "password, user: no key opens it" in failed.err) == (1, True)
    assert out.read_bytes() == before


def test_recover(seal, here: Path) -> None:
    """On standard output, or in a file of its owner's alone."""
    seal("secret.yaml", "--cert", "a.pem", "-w", "out.yaml")
    done = seal("recover", "out.yaml", "--key", "b.key", "--key", "a.key", "-o", "json", plain=True)
    assert json.loads(done.out)["data"]["user"] == "Ym9i"
    done = seal("recover", "out.yaml", "--key", "a.key", "-w", "plain.yaml")
    assert (done.code, (here / "plain.yaml").stat().st_mode & 0o777) == (0, 0o600)
    assert seal("recover", "out.yaml", "--key", "b.key").code == 1
    assert seal("recover", "out.yaml").code == 64


def test_sealing_to_standard_output_writes_no_file(seal, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without notes there is not even a digest key."""
    typed(monkeypatch, (here / "secret.yaml").read_bytes())
    before = set(here.rglob("*"))
    assert seal("--cert", "a.pem", "--no-notes").code == 0
    assert set(here.rglob("*")) == before
