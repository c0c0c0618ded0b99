"""A real OpenBao server in memory, with a plain and a TLS listener on the loopback interface."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import hvac
import requests
from support.pki import Authority
from support.processes import Server, free_port

ROOT_TOKEN = "root-of-the-tests"
READER_POLICY = 'path "kv/*" { capabilities = ["read", "list"] } path "kv1/*" { capabilities = ["read", "list"] }'


class OpenBao:
    """One server: KV v2 at ``kv``, v1 at ``kv1``; the policy ``reader`` may read both, but nothing below kv/data/closed."""

    def __init__(self, directory: Path, *, audit: Path | None = None) -> None:
        """``audit``: a file for the log of its audit device, a line of JSON for each request and each answer."""
        self.authority = Authority()
        self.directory = directory
        port, tls_port = free_port(), free_port()
        self.url, self.tls_url = f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}"
        certificate, key = self.authority.issue_to(directory, "bao")
        config = directory / "bao.hcl"
        config.write_text(
            f'listener "tcp" {{ address = "127.0.0.1:{tls_port}"\n tls_cert_file = "{certificate}"\n'
            f' tls_key_file = "{key}" }}\n'
        )
        if audit is not None:
            with config.open("a") as file:
                file.write(f'audit "file" "log" {{ options = {{ file_path = "{audit}" }} }}\n')
        command = [
            str(Path(sys.executable).with_name("bao")), "server", "-dev", "-dev-no-store-token",
            f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}", f"-config={config}",
        ]  # fmt: skip
        env = {**os.environ, "HOME": str(directory)}
        self.server = Server("openbao", command, directory / "bao.log", env)
        self.root = hvac.Client(url=self.url, token=ROOT_TOKEN)

    def start(self) -> None:
        self.server.start()
        self.server.wait_until(self._ready)
        sys_api = self.root.sys
        sys_api.enable_secrets_engine("kv", path="kv", options={"version": "2"})
        sys_api.enable_secrets_engine("kv", path="kv1", options={"version": "1"})
        sys_api.create_or_update_policy(
            "reader", READER_POLICY + ' path "kv/data/closed/*" { capabilities = ["deny"] }'
        )
        for method in ("approle", "userpass", "jwt", "cert", "kubernetes"):
            sys_api.enable_auth_method(method)

    def stop(self) -> None:
        self.root.adapter.close()
        self.server.kill()

    def put(self, path: str, **data: Any) -> None:
        self.root.secrets.kv.v2.create_or_update_secret(path, data, mount_point="kv")

    def data(self, path: str) -> dict[str, Any] | None:
        """What is in a secret; None if there is none."""
        try:
            found = self.root.secrets.kv.v2.read_secret_version(path, mount_point="kv", raise_on_deleted_version=True)
        except hvac.exceptions.InvalidPath:
            return None
        data: dict[str, Any] = found["data"]["data"]
        return data

    def _ready(self) -> bool:
        try:
            return self.root.sys.is_initialized() and not self.root.sys.is_sealed()
        except requests.exceptions.RequestException:
            return False
