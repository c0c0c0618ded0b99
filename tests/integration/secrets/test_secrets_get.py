"""``govgate secrets get`` through a real OpenBao, and through a Secret of a real API server; and what it never says."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support.leaks import leaks
from support.users import ROOT

from gateway.cli.app import run

PASSWORD = "pLq7/+Vx<2>&tR9m"
CREDENTIAL = "wrongCred/+Zu3&Kk81"


class Done(NamedTuple):
    """What one command came to."""

    returncode: int
    stdout: str
    stderr: str


class Govgate:
    """Runs ``govgate secrets get``, and keeps what it said and logged where no plaintext may be."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes], log: pytest.LogCaptureFixture) -> None:
        self.folder = folder
        self.said = ""
        self._capture = capture
        self._log = log
        log.set_level(logging.DEBUG)

    def store(self, **provider) -> str:
        file = self.folder / "store.json"
        kind = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "s"}}
        file.write_text(json.dumps({**kind, "spec": {"provider": provider}}))
        return str(file)

    def __call__(self, *words: str, plaintext: bool = False) -> Done:
        self._log.clear()
        code = run(["secrets", "get", *words])
        out, err = (piece.decode() for piece in self._capture.readouterr())
        self.said += err + self._log.text + ("" if plaintext else out)
        return Done(code, out, err)


@pytest.fixture
def govgate(tmp_path, monkeypatch, capfdbinary, caplog):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Govgate(tmp_path, capfdbinary, caplog)


@pytest.fixture
def vault(bao, credentials, govgate):
    """Arguments that read the real server."""
    bao.put("cli/app", password=PASSWORD, nested={"p": PASSWORD}, text="not base64 " + PASSWORD)
    credentials.add("vault", token=bao.root.auth.token.create(policies=["reader"])["auth"]["client_token"])
    credentials.add("wrong", token=CREDENTIAL)
    provider = {"server": bao.url, "path": "kv", "auth": {"tokenSecretRef": {"name": "vault", "key": "token"}}}
    return ("--store", govgate.store(vault=provider), "--credentials", str(credentials.folder))


def test_a_value_of_a_real_server(govgate, vault):
    """Metadata without being asked for more; the value with --reveal; 0 either way."""
    told = govgate("cli/app#password@1", *vault, "-o", "json")
    assert told.returncode == 0
    assert {key: json.loads(told.stdout)[key] for key in ("provider", "key", "version", "bytes")} == {
        "provider": "vault", "key": "cli/app", "version": "1", "bytes": len(PASSWORD),
    }  # fmt: skip
    shown = govgate("cli/app#password", *vault, "--reveal", plaintext=True)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, PASSWORD, "")


@pytest.mark.native
def test_nothing_is_said_whatever_goes_wrong(govgate, vault, credentials):
    """Neither the value nor any credential, in no guise, nor eight characters of them; with --debug too."""
    wrong = {"server": "http://127.0.0.1:1", "auth": {"tokenSecretRef": {"name": "wrong", "key": "token"}}}
    token = (credentials.folder / "vault" / "token").read_text()
    for words in (
        ("cli/app",), ("cli/app#password", "-o", "yaml"), ("cli/app#nothing", "--debug"), ("cli/app@9",),
        ("cli/app#text", "--decode", "Base64", "--debug"), ("cli/app#password.x", "--debug"), ("closed/app",), ("../x",),
    ):  # fmt: skip
        govgate(*words, *vault)
    live = json.loads(Path(vault[1]).read_text())["spec"]["provider"]["vault"]["server"]
    for server in (wrong["server"], live):
        govgate("cli/app", "--store", govgate.store(vault={**wrong, "server": server}), *vault[2:], "--debug")
    assert "cli/app: has no property 'nothing'" in govgate.said
    assert "403" in govgate.said
    assert "Traceback" in govgate.said
    assert "urllib3" in govgate.said
    assert leaks(govgate.said, [PASSWORD, CREDENTIAL, token]) == []


def test_to_a_terminal_a_value_ends_its_line(govgate, vault):
    """What is not text is not sent there."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gateway", "secrets", "get", "cli/app#password", *vault, "--reveal"]
    subprocess.run(
        command, stdout=theirs, check=True, timeout=60, env={**os.environ, "XDG_STATE_HOME": str(govgate.folder)}
    )
    os.close(theirs)
    assert os.read(ours, 100).decode() == PASSWORD + "\r\n"
    os.close(ours)


def test_credentials_come_from_the_cluster(govgate, cluster, namespace, bao):
    """The Secret that the store names is read by the configured connection."""
    bao.put("cli/app", password=PASSWORD)
    token = bao.root.auth.token.create(policies=["reader"])["auth"]["client_token"]
    meta = {"name": "vault", "namespace": namespace}
    cluster.api(ROOT).create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"token": token}})
    provider = {"server": bao.url, "path": "kv", "auth": {"tokenSecretRef": {"name": "vault", "key": "token"}}}
    config = govgate.folder / "govgate.yaml"
    kubeconfig = str(cluster.kubeconfig(ROOT))
    config.write_text(json.dumps({
        "cluster": {"connect": "kubeconfig", "kubeconfig": kubeconfig}, "stores": {"team": "store.json"},
    }))  # fmt: skip
    govgate.store(vault=provider)
    named = ("--store", "team", "--config", str(config), "--namespace", namespace)
    assert govgate("cli/app#password", *named, "--reveal", plaintext=True).stdout == PASSWORD
    assert "Secret default/vault does not exist" in govgate("cli/app", *named[:-2]).stderr


def test_a_value_of_a_cloud(govgate, moto, credentials):
    """As of any store, and nothing of it, nor of the keys, is said; not even in what libraries log."""
    moto.client("secretsmanager").create_secret(Name="cli/app", SecretString=json.dumps({"password": PASSWORD}))
    credentials.add("aws", id="test-access-key", secret=CREDENTIAL)
    ref = {"name": "aws"}
    keys = {"accessKeyIDSecretRef": {**ref, "key": "id"}, "secretAccessKeySecretRef": {**ref, "key": "secret"}}
    aws = {"service": "SecretsManager", "region": "eu-west-1", "auth": {"secretRef": keys}}
    named = ("--store", govgate.store(aws=aws), "--credentials", str(credentials.folder))
    told = govgate("cli/app#password", *named, "-o", "json")
    assert (json.loads(told.stdout)["provider"], json.loads(told.stdout)["bytes"]) == ("aws", len(PASSWORD))
    assert govgate("cli/app#password", *named, "--reveal", plaintext=True).stdout == PASSWORD
    assert "cli/none: ResourceNotFoundException" in govgate("cli/none", *named).stderr
    assert leaks(govgate.said, [PASSWORD, CREDENTIAL]) == []
