"""Whatever is killed, and whenever: every decision that was answered in durable mode is in the log, and it verifies."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from typing import Self

from conftest import MakeGateway
from support.gateway import JSON, Answer, Gateway, eventually, review

CLIENTS = 6


class Load:
    """Clients that ask without pause, reconnect when cut off, and remember what was answered with 200."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        self.answered: set[str] = set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, client: int) -> None:
        for attempt in range(1_000):
            if self._stop.is_set():
                return
            with (
                contextlib.closing(self._gateway.connect()) as connection,
                contextlib.suppress(OSError, http.client.HTTPException),
            ):
                self._ask_until_cut(connection, f"{client}-{attempt}")
            time.sleep(0.02)

    def _ask_until_cut(self, connection: http.client.HTTPSConnection, name: str) -> None:
        for number in range(1_000_000):
            if self._stop.is_set():
                return
            uid = f"{name}-{number}"
            connection.request("POST", "/v1/validate?timeout=5s", review(uid), JSON)
            if Answer(connection.getresponse()).status == 200:
                self.answered.add(uid)


def audit(gateway: Gateway, *arguments: str) -> str:
    command = [sys.executable, "-m", "gateway", "audit", *arguments, "--state-dir", str(gateway.folder / "state")]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_every_answered_decision_is_in_the_chain(gateway: MakeGateway) -> None:
    """Workers and the audit writer are killed by turns under load; nothing that was answered is missing or doubled."""
    server = gateway(audit={"mode": "durable"}, settings={"workers": 2}).start()
    with Load(server) as load:
        for module in ("gateway.audit.writer", "gateway.server.worker", "gateway.audit.writer"):
            seen = len(load.answered)
            eventually(lambda seen=seen: len(load.answered) > seen + 100)
            victim = server.children(module)[0]
            victim.kill()
            eventually(lambda module=module, pid=victim.pid: pid not in [p.pid for p in server.children(module)])
        seen = len(load.answered)
        eventually(lambda: len(load.answered) > seen + 100)
    assert server.stop() == 0
    assert "OK" in audit(server, "verify")
    exported = [json.loads(line).get("record", {}) for line in audit(server, "export").splitlines()]
    decided = [record["request"]["uid"] for record in exported if record.get("type") == "decision"]
    assert load.answered <= set(decided)
    assert len(decided) == len(set(decided))
