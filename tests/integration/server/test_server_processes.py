"""Processes come and go: nothing that was asked is lost by an orderly change, and a disorderly one is mended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
from support.gateway import Gateway, Hammer, eventually, review


def test_ready_and_alive(gateway) -> None:
    """A started server is alive and ready, and says of what; an unknown path of the health listener is 404."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    assert server.health("/livez").text == "ok"
    answer = server.health("/readyz?verbose")
    assert answer.status == 200
    expected = ["config", "tls", "audit", *(f"worker-{n}{check}" for n in (0, 1) for check in ("", "/audit", "/rules"))]
    assert answer.text.splitlines() == [*(f"[+]{name} ok" for name in expected), "readyz check passed"]
    assert server.health("/readyz").text == "ok"
    assert server.health("/v1/validate").status == 404


def test_two_workers_are_one_in_the_metrics(gateway) -> None:
    """Requests that two workers answered add up, and both answer."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    for number in range(40):
        assert server.ask(review(f"u-{number}")).status == 200
    assert server.metric('govgate_admission_requests_total{result="allowed"}') == 40
    assert server.metric("govgate_admission_duration_seconds_count") == 40
    busy = [worker for worker in server.workers() if worker.cpu_times().user]
    assert len(busy) == 2
    assert 'govgate_build_info{python="' in server.health("/metrics").text


def test_a_killed_worker_is_replaced(gateway) -> None:
    """A worker that is killed is started again on the same socket, is counted, and keeps the counts of the first."""
    server: Gateway = gateway().start()
    assert server.ask(review()).status == 200
    (worker,) = server.workers()
    worker.kill()
    # Connected while there is no worker: the socket is open, the connection waits for the successor.
    assert server.ask(review()).status == 200
    (successor,) = server.workers()
    assert successor.pid != worker.pid
    eventually(lambda: server.health("/readyz").status == 200)
    assert server.metric("govgate_worker_restarts_total") == 1
    assert server.metric('govgate_admission_requests_total{result="allowed"}') == 2
    assert server.events("worker ended")[0]["code"] == -signal.SIGKILL


def test_a_killed_audit_writer_is_replaced(gateway) -> None:
    """Without the audit writer the server is not ready; a new one comes, and what was decided meanwhile is kept."""
    server: Gateway = gateway().start()
    (writer,) = server.children("gateway.audit.writer")
    writer.kill()
    assert server.ask(review()).status == 200
    eventually(lambda: server.metric("govgate_audit_recorded_total") == 1)
    eventually(lambda: server.health("/readyz").status == 200)
    assert server.metric("govgate_audit_writer_restarts_total") == 1


async def test_a_drain_loses_nothing(gateway) -> None:
    """On SIGTERM the server is unready at once, serves on, then sends clients away and ends with 0: no request is lost."""
    server: Gateway = gateway(settings={"workers": 2, "drainSeconds": 2.0}).start()
    async with Hammer(server) as clients:
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        await asyncio.sleep(0.3)
        ready = await asyncio.to_thread(server.health, "/readyz")
        assert ready.status == 503
        assert "[-]shutdown failed: the server is draining" in ready.text
        assert (await asyncio.to_thread(server.health, "/livez")).status == 200
        before = clients.answered
        await asyncio.sleep(0.3)
        assert clients.answered > before
        assert not clients.refused
        assert await stopping == 0
    assert clients.lost == []
    assert clients.refused
    assert clients.asked_to_leave
    records = audited(server)
    assert records == clients.answered


def audited(server: Gateway) -> int:
    """Decisions in the audit log."""
    command = [
        sys.executable,
        "-m",
        "gateway",
        "audit",
        "export",
        "--state-dir",
        str(server.folder / "state"),
        "--format",
        "jsonl",
    ]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return sum(b'"type":"decision"' in line for line in output.splitlines())


async def test_a_request_in_flight_is_answered_within_the_grace(gateway) -> None:
    """A request that is being received when the drain ends is still answered, and told that the connection closes."""
    server: Gateway = gateway(settings={"drainSeconds": 0.4}).start()
    body = review()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.context())
    writer.write(
        f"POST /v1/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    await asyncio.sleep(1.0)
    writer.write(body)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in head.lower()
    assert await stopping == 0
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_a_second_sigterm_hurries(gateway) -> None:
    """A second SIGTERM cuts the drain delay short."""
    server: Gateway = gateway(settings={"drainSeconds": 60.0}).start()
    stopping = asyncio.create_task(asyncio.to_thread(server.stop))
    await asyncio.sleep(0.3)
    assert not stopping.done()
    server.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(stopping, 5) == 0


async def test_workers_are_replaced_without_loss(gateway) -> None:
    """SIGUSR2 replaces the workers one after the other under load, and no request is lost."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    before = {worker.pid for worker in server.workers()}
    async with Hammer(server) as clients:
        server.process.send_signal(signal.SIGUSR2)
        await asyncio.to_thread(eventually, lambda: server.events("workers replaced"), seconds=30)
    assert clients.lost == []
    assert not clients.refused
    assert not before & {worker.pid for worker in server.workers()}
    assert server.metric("govgate_worker_restarts_total") == 0
    assert server.metric('govgate_admission_requests_total{result="allowed"}') == clients.answered


def test_workers_die_with_their_supervisor(gateway) -> None:
    """A supervisor that is killed leaves no worker behind, not even one that hangs; a new server starts at once."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    family = server.process.children(recursive=True)
    server.workers()[0].send_signal(signal.SIGSTOP)
    server.process.kill()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    server.kill()
    server.log.unlink()
    assert server.start().ask(review()).status == 200


def test_a_worker_ignores_the_signals_of_its_group(gateway) -> None:
    """SIGTERM and SIGINT that reach the workers as well end nothing: the supervisor decides how they end."""
    server: Gateway = gateway().start()
    (worker,) = server.workers()
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert server.ask(review()).status == 200
    assert [w.pid for w in server.workers()] == [worker.pid]


def run(server: Gateway, *options: str, port: int | None = 0) -> subprocess.CompletedProcess[str]:
    command = server.command(*options, port=port)
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_one_server_a_state_folder(gateway) -> None:
    """A second server with the same state folder says so and fails; the first is not disturbed."""
    server: Gateway = gateway().start()
    second = run(server)
    assert second.returncode == 1
    assert "another govgate serve runs with its state in" in second.stderr
    assert server.ask(review()).status == 200
    assert server.metric('govgate_admission_requests_total{result="allowed"}') == 1


def test_a_port_in_use(gateway) -> None:
    """A port that is taken, by another govgate of several workers too, is one clear line and exit code 1."""
    first: Gateway = gateway(settings={"workers": 2}).start()
    second: Gateway = gateway(settings={"workers": 2})
    second.settings["port"] = first.port
    second.write_config()
    outcome = run(second, port=None)
    assert outcome.returncode == 1
    assert outcome.stderr.strip() == f"govgate: cannot listen on 127.0.0.1 port {first.port}: Address already in use"


def test_no_certificate(gateway) -> None:
    """Without a certificate the server does not start, and says what to set."""
    server: Gateway = gateway()
    server.write_config("{}")
    outcome = run(server)
    assert outcome.returncode == 1
    assert "no certificate: set server.tls.certFile and keyFile" in outcome.stderr


def test_a_bad_first_certificate(gateway) -> None:
    """A certificate that does not fit its key, at the start, is one clear line and exit code 1; nothing is left running."""
    server: Gateway = gateway()
    certificate, _ = server.authority.issue()
    _, key = server.authority.issue()
    server.certificates.put(certificate, key)
    outcome = run(server)
    assert outcome.returncode == 1
    assert "govgate: certificate and key: key values mismatch" in outcome.stderr
    assert "PRIVATE" not in outcome.stderr


def test_a_cluster_that_cannot_be_reached_by_the_configuration(gateway) -> None:
    """What only a worker finds wrong at the first start ends the server with one clear line."""
    server: Gateway = gateway()
    server.write_config(json.dumps({"cluster": {"connect": "kubeconfig", "kubeconfig": "/nonexistent"}}))
    outcome = run(server, "--self-signed")
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1].startswith("govgate: ")
    assert "Traceback" not in outcome.stderr


@pytest.mark.native
def test_self_signed(gateway) -> None:
    """With --self-signed a certificate is made in the state folder, and used again at the next start."""
    server: Gateway = gateway()
    server.write_config(json.dumps({"cluster": {"connect": "none"}, "server": {"drainSeconds": 0}}))
    server.start("--self-signed")
    made = (server.folder / "state/tls/ca.crt").read_bytes()
    server.authority.pem = made
    assert server.ask(review()).status == 200
    assert (server.folder / "state/tls/tls.key").stat().st_mode & 0o777 == 0o600
    assert server.stop() == 0
    server.log.unlink()
    server.start("--self-signed")
    assert (server.folder / "state/tls/ca.crt").read_bytes() == made
    assert server.ask(review()).status == 200
