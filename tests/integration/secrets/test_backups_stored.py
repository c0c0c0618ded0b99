"""``govgate seal backup`` into a store that keeps objects: a real OpenBao."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.sealing import certificate_pem, key_pem, key_secret

from gateway.cli.app import run


def test_a_backup_of_sealing_keys_is_a_member(
    bao, credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second one keeps what the first one held, the same command checks it, and what is somebody else's is left alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    credentials.add("vault", token=bao.root.token)
    bao.put("backups/taken", other="stays")
    provider = {"server": bao.url, "path": "kv", "auth": {"tokenSecretRef": {"name": "vault", "key": "token"}}}
    manifest = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "s"}}
    Path("store.json").write_text(json.dumps({**manifest, "spec": {"provider": {"vault": provider}}}))
    for name in "ab":
        Path(f"{name}.json").write_text(json.dumps(key_secret(name)))
    Path("backup.pem").write_bytes(certificate_pem("backup"))
    Path("backup.key").write_bytes(key_pem("backup"))
    store = ["--store", "store.json", "--store-key", "backups/keys", "--credentials", str(credentials.folder)]
    for name in "ab":
        assert run(["seal", "backup", "--cert", "backup.pem", *store, "--from", f"{name}.json"]) == 0
    both = ["--from", "a.json", "--from", "b.json"]
    assert run(["seal", "backup-check", *store, *both, "--key", "backup.key"]) == 0
    held = bao.root.secrets.kv.v2.read_secret_version("backups/keys", mount_point="kv", raise_on_deleted_version=True)[
        "data"
    ]["data"]
    assert held["keys.yaml"].count("kind: SealedSecret") == 2
    taken = [word.replace("backups/keys", "backups/taken") for word in store]
    assert run(["seal", "backup", "--cert", "backup.pem", *taken, *both]) == 1
    said = capsys.readouterr()
    assert "not made by pushing" in said.err
    assert "PRIVATE KEY" not in held["keys.yaml"] + said.out + said.err
