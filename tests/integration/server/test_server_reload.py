"""A configuration that changes under a running server: whole, or not at all."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.gateway import Gateway, Hammer, eventually, review

IN_FORCE = "govgate_config_in_force"
REPOSITORY = Path(__file__).parents[3]


def denied_scene() -> bytes:
    """A recorded request that the drift guard denies: a person changes the image of what Flux manages."""
    lines = (REPOSITORY / "gateway/cli/demo_reviews.jsonl").read_text().splitlines()
    scenes = {scene["scene"]: scene["review"] for scene in map(json.loads, lines)}
    return json.dumps(scenes["edit-image"]).encode()


def reloads(result: str) -> str:
    return f'govgate_config_reloads_total{{result="{result}"}}'


def allowed(server: Gateway, body: bytes) -> bool:
    return bool(server.ask(body).json()["response"]["allowed"])


def records(server: Gateway, kind: str) -> list[dict[str, Any]]:
    """The audit log's records of type ``kind``."""
    state = str(server.folder / "state")
    command = [sys.executable, "-m", "gateway", "audit", "export", "--state-dir", state, "--format", "jsonl"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    found = []
    for line in output.splitlines():
        document = json.loads(line)
        record = document.get("record", document.get("envelope", document))
        if record.get("type") == kind:
            found.append(record)
    return found


async def test_enforcement_is_switched_under_load(gateway) -> None:
    """The global switch and an opt-out act from the next request on, lose none, and are in the audit log."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    body = denied_scene()
    assert not allowed(server, body)
    workers = {worker.pid for worker in server.workers()}
    async with Hammer(server) as clients:
        server.config = {"mode": "audit"}
        server.write_config()
        await asyncio.to_thread(eventually, lambda: server.metric(reloads("success")) == 1)
        assert all([await asyncio.to_thread(allowed, server, body) for _ in range(8)])
        server.config = {"optOut": {"namespaces": ["web", "shop"], "reason": "migration"}}
        server.write_config()
        await asyncio.to_thread(eventually, lambda: server.metric(reloads("success")) == 2)
        assert all([await asyncio.to_thread(allowed, server, body) for _ in range(8)])
        server.config = {}
        server.write_config()
        await asyncio.to_thread(eventually, lambda: server.metric(reloads("success")) == 3)
        assert not any([await asyncio.to_thread(allowed, server, body) for _ in range(8)])
    assert clients.lost == []
    assert not clients.refused
    assert clients.asked_to_leave == 0
    assert {worker.pid for worker in server.workers()} == workers
    assert await asyncio.to_thread(server.stop) == 0
    told = [record["detail"] for record in records(server, "config")]
    assert [detail["mode"] for detail in told] == ["audit", "enforce", "enforce"]
    assert [detail["optOutReason"] for detail in told] == ["", "migration", ""]


def test_a_bad_configuration_changes_nothing(gateway) -> None:
    """A configuration that is wrong is reported and counted once; the old one stays, and the server ready."""
    server: Gateway = gateway().start()
    body = denied_scene()
    for number, text in enumerate(("mode: perhaps", "mode: [", "server: {workers: 0}", "a: &a 1\nb: *a"), 1):
        server.write_config(text)
        eventually(lambda expected=number: server.metric(reloads("failure")) == expected)
        assert not allowed(server, body)
        ready = server.health("/readyz?verbose")
        assert ready.status == 200
        assert "[!]config ok, but: " in ready.text
        assert server.metric(IN_FORCE) == 0
    server.write_config()
    eventually(lambda: server.events("configuration unchanged"))
    eventually(lambda: server.metric(IN_FORCE) == 1)
    assert "[+]config ok" in server.health("/readyz?verbose").text


def test_what_only_a_worker_can_refuse(gateway) -> None:
    """A configuration that a worker cannot assemble is given up by all of them."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    server.config = {"mode": "audit", "cluster": {"connect": "kubeconfig", "kubeconfig": "/nonexistent"}}
    server.write_config()
    eventually(lambda: server.metric(reloads("failure")) == 1)
    assert not any(allowed(server, denied_scene()) for _ in range(8))


def test_sighup(gateway) -> None:
    """SIGHUP reloads at once, without waiting for the next look at the file."""
    server: Gateway = gateway(settings={"reloadSeconds": 3600.0}).start()
    server.config = {"mode": "audit"}
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: allowed(server, denied_scene()), seconds=5)


def test_what_needs_a_restart_is_named(gateway) -> None:
    """Settings that a running server cannot change are named, and the rest of the change is in force."""
    server: Gateway = gateway().start()
    server.settings["workers"] = 2
    server.settings["limits"] = {"bodyBytes": 65_536}
    server.config = {"audit": {"mode": "durable"}}
    server.write_config()
    eventually(lambda: server.events("configuration reloaded"))
    assert server.events("configuration reloaded")[0]["needs_restart"] == "server.workers, audit"
    assert "[!]config ok, but: needs a restart: server.workers, audit" in server.health("/readyz?verbose").text
    assert len(server.workers()) == 1
    assert server.ask(review(size=70_000)).status == 413


def test_a_worker_that_starts_later_has_the_new_configuration(gateway) -> None:
    """A worker that is started again after a reload runs with what is in force, not with what was."""
    server: Gateway = gateway().start()
    server.config = {"mode": "audit"}
    server.write_config()
    eventually(lambda: allowed(server, denied_scene()))
    for worker in server.workers():
        worker.kill()
    assert allowed(server, denied_scene())
