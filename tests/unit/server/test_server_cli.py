"""The commands around the server, as a person types them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from gateway.cli.app import run


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOVGATE_CONFIG", raising=False)


def test_validate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A right file is confirmed on stdout; a wrong one is one line on stderr with the path of what is wrong, and 1."""
    file = tmp_path / "c.yaml"
    file.write_text("mode: audit\n")
    assert run(["config", "validate", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: valid\n"
    file.write_text("server:\n  limits:\n    concurrency: 0\n")
    assert run(["config", "validate", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"govgate: {file}: server.limits.concurrency: expected `int` >= 1\n"


def test_validate_reads_trust_policies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As far as that is possible without the files that they name."""
    file = tmp_path / "govgate.yaml"
    policy = {"name": "p", "repositories": ["ghcr.io/**"]}
    for pattern, code in (("^acme$", 0), ("acme", 1)):
        identity = {"issuer": "https://i.example", "subjectRegexp": pattern}
        authority = {"name": "a", "keys": [{"file": "/not/here"}], "identities": [identity]}
        file.write_text(json.dumps({"provenance": {"policies": [{**policy, "authorities": [authority]}]}}))
        assert run(["config", "validate", str(file)]) == code
    assert "subjectRegexp: must begin with ^" in capsys.readouterr().err


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is JSON Schema that knows nested fields by their names in the file."""
    assert run(["config", "schema"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["$schema"].startswith("https://json-schema.org/")
    assert "drainSeconds" in document["$defs"]["Server"]["properties"]
    assert document["$defs"]["Config"]["additionalProperties"] is False


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is shown with its value and where it comes from; the YAML form is a configuration itself."""
    file = tmp_path / "c.yaml"
    file.write_text("server: {port: 9443}\n")
    assert run(["config", "show", "--config", str(file)]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["server.port"] == ["9443", str(file)]
    assert lines["server.host"] == ['"0.0.0.0"', "default"]
    assert run(["config", "show", "--config", str(file), "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["source"] == str(file)
    assert document["origins"]["server.port"] == str(file)
    assert document["origins"]["mode"] == "default"
    assert run(["config", "show", "--config", str(file), "-o", "yaml"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"# {file}\n")
    file.write_text(shown)
    assert run(["config", "validate", str(file)]) == 0


def test_webhook_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """YAML and JSON are the same document; without an authority a note says so on stderr."""
    authority = tmp_path / "ca.crt"
    authority.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    options = ["webhook-config", "--ca-file", str(authority), "--failure-policy", "Ignore", "--timeout-seconds", "7"]
    assert run(options) == 0
    document = yaml.safe_load(capsys.readouterr().out)
    assert run([*options, "-o", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == document
    assert captured.err == ""
    (webhook,) = document["webhooks"]
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"]) == ("Ignore", 7)
    assert base64.b64decode(webhook["clientConfig"]["caBundle"]) == authority.read_bytes()
    assert run(["webhook-config"]) == 0
    assert "something else must set caBundle" in capsys.readouterr().err


def test_what_is_not_asked_about_besides(capsys: pytest.CaptureFixture[str]) -> None:
    """Groups and namespaces, each named as often as there are."""
    options = ["--excluded-group", "a.test", "--excluded-group", "b.test", "--excluded-namespace", "cilium"]
    assert run(["webhook-config", "-o", "json", *options]) == 0
    (webhook,) = json.loads(capsys.readouterr().out)["webhooks"]
    assert webhook["matchConditions"][-1]["expression"] == "!(request.resource.group in ['a.test', 'b.test'])"
    assert webhook["namespaceSelector"]["matchExpressions"][0]["values"] == ["govgate-system", "cilium"]


@pytest.mark.parametrize(
    "options",
    [
        ["webhook-config", "--url", "http://plain.test/"],
        ["webhook-config", "--url", "https://x.test/", "--service", "s"],
        ["webhook-config", "--timeout-seconds", "31"],
        ["webhook-config", "--failure-policy", "Maybe"],
        ["webhook-config", "--ca-bundle", "no base64!"],
        ["webhook-config", "--ca-bundle", "AAAA"],
        ["webhook-config", "--excluded-group", "apps"],
        ["webhook-config", "--excluded-group", "govgate.dev"],
        ["webhook-config", "--excluded-namespace", "Cilium"],
        ["serve", "--workers", "many"],
        ["serve", "--cert", "only-half"],
        ["config", "show", "-o", "toml"],
    ],
)
def test_bad_usage(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Bad usage is exit code 64 and one line on stderr."""
    assert run(options) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("govgate: ")
    assert captured.err.count("\n") == 1
