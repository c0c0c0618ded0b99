"""Both directions with the real kubeseal: what one seals the other opens, in every scope and form."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.sealing import certificate_pem, encoded, key_pem, key_secret, secret_document
from support.tools import tool

from gateway.cli.app import run

pytestmark = pytest.mark.servers

SCOPES = ["strict", "namespace-wide", "cluster-wide"]
BINARY = bytes(range(256)) * 4
ODD = {"1e3": b"a", "yes": b"b", ".env": b"", "null": b"c", "a.b-c_d": b"\n\r\n", "0o12": b"\xff\xfe", "bin": BINARY}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a certificate, its key in both forms, and a Secret."""
    (tmp_path / "c.pem").write_bytes(certificate_pem("a"))
    (tmp_path / "k.pem").write_bytes(key_pem("a"))
    (tmp_path / "keys.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [key_secret("b"), key_secret("a")]})
    )
    (tmp_path / "secret.json").write_text(json.dumps(odd_secret()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    return tmp_path


def odd_secret() -> Any:
    """A Secret with odd keys, binary values, labels that YAML may take for something else."""
    document = secret_document("db", "web")
    del document["stringData"]
    document["metadata"] |= {"labels": {"a": "y", "b": "1e3", "c": "012"}, "annotations": {"note": 'a "quoted": #text'}}
    return document | {"data": {key: encoded(value) for key, value in ODD.items()}, "type": "example.com/odd"}


def kubeseal(*words: str, given: str = "") -> str:
    done = subprocess.run(
        [tool("kubeseal"), *words], input=given, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "HOME": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def govgate(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    code = run(["seal", *words])
    out, err = capfd.readouterr()
    assert code == 0, err
    return out


def opened_by_kubeseal(text: str, key: str = "k.pem") -> dict[str, Any]:
    """The Secret; kubeseal writes an empty value as null."""
    found = json.loads(kubeseal("--recovery-unseal", "--recovery-private-key", key, given=text))
    found["data"] = {name: value or "" for name, value in found["data"].items()}
    return found


def data_of(text: str) -> dict[str, str]:
    (document,) = yaml.safe_load_all(text)
    return document["data"]


EXPECTED = {key: encoded(value) for key, value in ODD.items()}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("output", ["yaml", "json"])
@pytest.mark.parametrize("keys", ["k.pem", "keys.json"])
def test_kubeseal_opens_what_govgate_seals(capfd, scope: str, output: str, keys: str) -> None:
    """The Secret is the one that was sealed: values, type, labels, annotations."""
    made = govgate(capfd, "secret.json", "--cert", "c.pem", "--scope", scope, "-o", output)
    opened = opened_by_kubeseal(made, keys)
    assert (opened["data"], opened["type"]) == (EXPECTED, "example.com/odd")
    metadata, given = opened["metadata"], odd_secret()["metadata"]
    assert metadata["labels"] == given["labels"]
    stated = {} if scope == "strict" else {f"sealedsecrets.bitnami.com/{scope}": "true"}
    assert metadata["annotations"] == given["annotations"] | stated


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("output", ["yaml", "json"])
def test_govgate_opens_what_kubeseal_seals(capfd, here: Path, scope: str, output: str) -> None:
    """And finds nothing wrong with it."""
    text = kubeseal("--cert", "c.pem", "--scope", scope, "-o", output, "-f", "secret.json")
    (here / "sealed").write_text(text)
    assert data_of(govgate(capfd, "recover", "sealed", "--key", "keys.json")) == EXPECTED
    govgate(capfd, "validate", "sealed", "--key", "k.pem", "--fail-on", "warn")


@pytest.mark.parametrize("scope", SCOPES)
def test_the_objects_are_the_same(capfd, scope: str) -> None:
    """But for the sealed values, and what govgate notes on request."""
    theirs = yaml.safe_load(kubeseal("--cert", "c.pem", "--scope", scope, "-o", "yaml", "-f", "secret.json"))
    ours = yaml.safe_load(govgate(capfd, "secret.json", "--cert", "c.pem", "--scope", scope, "--no-notes"))
    for document in (ours, theirs):
        document["spec"]["encryptedData"] = sorted(document["spec"]["encryptedData"])
    assert ours == theirs


@pytest.mark.parametrize("scope", SCOPES)
def test_raw_values_go_both_ways(capfd, here: Path, scope: str) -> None:
    """Put into an object by hand, the other opens them."""
    (here / "value").write_bytes(BINARY)
    words = ["--raw", "--cert", "c.pem", "--scope", scope, "--from-file", "value"]
    words += ["--namespace", "web", "--name", "db"] if scope != "cluster-wide" else []
    annotations = {} if scope == "strict" else {f"sealedsecrets.bitnami.com/{scope}": "true"}
    document = {
        "apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret",
        "metadata": {"name": "db", "namespace": "web", "annotations": annotations},
        "spec": {"encryptedData": {"theirs": kubeseal(*words), "ours": govgate(capfd, *words).strip()}},
    }  # fmt: skip
    (here / "sealed.yaml").write_text(yaml.safe_dump(document))
    expected = {"ours": encoded(BINARY), "theirs": encoded(BINARY)}
    assert data_of(govgate(capfd, "recover", "sealed.yaml", "--key", "k.pem")) == expected
    assert opened_by_kubeseal(json.dumps(document))["data"] == expected


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_either_merges_into_what_the_other_made(capfd, here: Path, output: str) -> None:
    """kubeseal rewrites the file and leaves govgate's notes behind: they are void for what it replaced."""
    file = here / f"sealed.{output}"
    file.write_text(kubeseal("--cert", "c.pem", "-o", output, "-f", "secret.json"))
    govgate(capfd, "--cert", "c.pem", "--merge-into", str(file), "--from-literal", "new=1", "--from-literal", "yes=2")
    one = json.dumps(secret_document("db", "web", new="3", other="4"))
    kubeseal("--cert", "c.pem", "-o", output, "--merge-into", str(file), given=one)
    expected = EXPECTED | {"yes": encoded(b"2"), "new": encoded(b"3"), "other": encoded(b"4")}
    assert data_of(govgate(capfd, "recover", str(file), "--key", "k.pem")) == expected
    run(["seal", "validate", str(file), "--key", "k.pem", "-o", "json"])
    found = json.loads(capfd.readouterr().out)["findings"]
    assert [(one["rule"], one["field"]) for one in found] == [("sealed/notes", "spec.encryptedData.new")]


def test_several_documents_are_sealed_as_kubeseal_seals_them(capfd, here: Path) -> None:
    """One for one, in order."""
    many = [secret_document("one"), secret_document("two", "shop"), odd_secret()]
    (here / "many.yaml").write_text("\n---\n".join(map(json.dumps, many)))
    theirs = list(yaml.safe_load_all(kubeseal("--cert", "c.pem", "-o", "yaml", "-f", "many.yaml")))
    ours = list(yaml.safe_load_all(govgate(capfd, "many.yaml", "--cert", "c.pem", "--no-notes")))
    assert [one["metadata"] for one in ours] == [one["metadata"] for one in theirs]
    assert [sorted(one["spec"]["encryptedData"]) for one in ours] == [
        sorted(one["spec"]["encryptedData"]) for one in theirs
    ]


def test_sealed_again_kubeseal_opens_it_with_the_new_key(capfd, here: Path) -> None:
    """And no longer with the old one; its template survives."""
    (here / "sealed.yaml").write_text(
        kubeseal("--cert", "c.pem", "--scope", "namespace-wide", "-o", "yaml", "-f", "secret.json")
    )
    (here / "new.pem").write_bytes(certificate_pem("b"))
    (here / "new.key").write_bytes(key_pem("b"))
    made = govgate(capfd, "reencrypt", "sealed.yaml", "--key", "k.pem", "--cert", "new.pem")
    opened = opened_by_kubeseal(made, "new.key")
    assert (opened["data"], opened["type"]) == (EXPECTED, "example.com/odd")
    (here / "again.yaml").write_text(made)
    assert run(["seal", "validate", "again.yaml", "--key", "k.pem"]) == 3
