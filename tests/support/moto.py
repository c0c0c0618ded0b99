"""moto's server in a process of its own: AWS as the tests need it, with the rights of IAM when they are switched on."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore.session
import requests
from support.processes import Server, free_port

REGION = "eu-west-1"


class Moto:
    """One server, which records what it is asked."""

    def __init__(self, directory: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._requests = directory / "requests.jsonl"
        self._requests.touch()
        self._session = botocore.session.Session()
        env = {**os.environ, "MOTO_ENABLE_RECORDING": "1", "MOTO_RECORDER_FILEPATH": str(self._requests)}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.server = Server("moto", command, directory / "moto.log", env)

    def start(self) -> None:
        self.server.start()
        self.server.wait_until(self._ready, seconds=90.0)

    def stop(self) -> None:
        self.server.kill()

    def client(self, service: str) -> Any:
        """A client of botocore."""
        keys = {"aws_access_key_id": "test-access-key", "aws_secret_access_key": "test-secret-key"}
        return self._session.create_client(service, REGION, endpoint_url=self.url, **keys)

    def enforce(self, enforced: bool) -> None:
        """From here on, signatures and rights are checked, or not."""
        requests.post(f"{self.url}/moto-api/reset-auth", data="0" if enforced else "inf", timeout=30).raise_for_status()

    def asked(self, operation: str = "") -> list[dict[str, Any]]:
        """The parameters of the requests so far, or of those of one operation; ``Action`` says of which one."""
        found = []
        for line in self._requests.read_text().splitlines():
            entry = json.loads(line)
            body = base64.b64decode(entry["body"]).decode() if entry.get("body") else ""
            action = entry["headers"].get("X-Amz-Target", "").rpartition(".")[2]
            if action:
                parameters = json.loads(body or "{}")
            else:
                parameters = {name: values[0] for name, values in parse_qs(body).items()}
            parameters = {"Action": action, **parameters, "Authorization": entry["headers"].get("Authorization", "")}
            if not operation or parameters["Action"] == operation:
                found.append(parameters)
        return found

    def forget(self) -> None:
        """What was asked so far is not in :meth:`asked` any more."""
        self._requests.write_text("")

    def _ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/moto-api/data.json", timeout=5).ok
        except requests.exceptions.ConnectionError:
            return False
