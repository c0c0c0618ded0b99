"""``--fix`` seals Secrets where they stand, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.sealing import certificate_pem, private_key

from gateway.ci.sealing import fix
from gateway.cli.app import run
from gateway.native.manifests import read_files
from gateway_secrets.sealed.objects import sealed_of
from gateway_secrets.sealed.sealing import unseal_values

pytestmark = pytest.mark.native

FILE = """\
# the database, and who may read it
apiVersion: v1
kind: ConfigMap
metadata: {name: a}   # stays as it is
data: {level:   info}
---
# kept
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: web
stringData:
  user: bob
  password: hunter2
---
apiVersion: v1
kind: Secret
metadata: {name: elsewhere, namespace: web}
stringData: {token: "${TOKEN}", password: hunter3}
---
apiVersion: v1
kind: Secret
metadata: {name: nowhere}
stringData: {password: hunter4}
"""


def test_secrets_are_sealed_in_place(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What is sealed opens again; all else stays byte for byte; what is not certain is left and said."""
    (tmp_path / "cert.pem").write_bytes(certificate_pem())
    path = tmp_path / "all.yaml"
    path.write_text(FILE)
    assert run(["detect", str(path), "--fix", "--cert", str(tmp_path / "cert.pem")]) == 3
    text = path.read_text()
    shown = capfd.readouterr()
    assert "hunter2" not in text + shown.out + shown.err
    assert text.startswith(FILE[: FILE.index("apiVersion: v1\nkind: Secret")])
    assert text.endswith(FILE[FILE.index("---\napiVersion: v1\nkind: Secret\nmetadata: {name: elsewhere") :])
    documents = [msgspec.json.decode(one.json) for one in read_files([text.encode()])[0].documents]
    assert unseal_values(sealed_of(documents[1], where="all.yaml"), [private_key()]) == {
        "password": b"hunter2",
        "user": b"bob",
    }
    assert "SealedSecret" not in shown.out
    assert "filled in elsewhere" in shown.err
    assert "names no namespace" in shown.err
    assert "sealed Secret web/db" in shown.err
    assert run(["detect", str(path), "--fix", "--cert", str(tmp_path / "cert.pem")]) == 3
    assert path.read_text() == text


def test_nothing_is_written_without_a_certificate(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No certificate, or an expired one: one line, and the file as it was."""
    monkeypatch.delenv("SEALED_SECRETS_CERT", raising=False)
    path = tmp_path / "all.yaml"
    path.write_text(FILE)
    assert run(["detect", str(path), "--fix"]) == 64
    assert "which certificate?" in capfd.readouterr().err
    (tmp_path / "old.pem").write_bytes(certificate_pem(days=-1))
    assert run(["detect", str(path), "--fix", "--cert", str(tmp_path / "old.pem")]) == 1
    assert "expired" in capfd.readouterr().err
    assert path.read_text() == FILE
    assert run(["detect", str(path), "--cert", "x"]) == 64


def test_json_and_lists() -> None:
    """A JSON file becomes a JSON file; a List is left alone, and said."""
    secret = b'{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}, "stringData": {"k": "hunter2"}}'
    fixed = fix("a.json", secret, lambda _: {"kind": "SealedSecret"})
    assert msgspec.json.decode(fixed.data) == {"kind": "SealedSecret"}
    listed = fix("l.json", b'{"apiVersion": "v1", "kind": "List", "items": [' + secret + b"]}", lambda _: {})
    assert (listed.sealed, len(listed.left)) == ([], 1)
    template = fix("t.yaml", b"a: {{ .Values }}\n", lambda _: {})
    assert (template.sealed, len(template.left)) == ([], 1)
