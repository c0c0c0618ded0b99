"""A real ``govgate serve`` for tests, and clients that speak to it over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psutil
import yaml
from support.pki import Authority
from support.processes import Server
from support.said import SAID

from gateway.native.library import LIBRARY
from gateway.server.metric_files import directory_of

JSON = {"Content-Type": "application/json"}
# Without the native library no rule can be evaluated, and a server with rules does not start: these tests go without.
WITHOUT_NATIVE: dict[str, Any] = {} if LIBRARY.exists() else {"policy": {"sources": []}}
FAST = {"drainSeconds": 1.0, "graceSeconds": 3.0, "reloadSeconds": 0.1}


def review(uid: str = "u-1", *, size: int = 0) -> bytes:
    """An AdmissionReview of an object that nobody manages; ``size`` bytes of padding."""
    metadata = {"name": "api", "namespace": "web"}
    request = {
        "uid": uid,
        "operation": "UPDATE",
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "namespace": "web",
        "name": "api",
        "userInfo": {"username": "alice@example.com"},
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "x" * size}},
        "oldObject": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata},
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


class Gateway:
    """One server with a folder of its own; ``settings`` is the ``server`` section of its configuration."""

    def __init__(self, folder: Path, *, settings: dict[str, Any] | None = None, **config: Any) -> None:
        self.folder = folder
        self.authority = Authority()
        self.config_file = folder / "govgate.yaml"
        self.certificates = Mount(folder / "tls")
        self.certificates.put(*self.authority.issue(days=30))
        self.settings = {**FAST, **(settings or {})}
        self.config = config
        self.write_config()
        self.log = folder / "log"
        self._server: Server | None = None

    def write_config(self, text: str | None = None) -> None:
        """Replace the configuration file as a mount does: all at once."""
        if text is None:
            tls = {"certFile": f"{self.certificates.path}/tls.crt", "keyFile": f"{self.certificates.path}/tls.key"}
            server = {**self.settings, "tls": {**tls, **self.settings.get("tls", {})}}
            text = yaml.safe_dump({"cluster": {"connect": "none"}, **WITHOUT_NATIVE, **self.config, "server": server})
        new = self.config_file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.config_file)

    def command(self, *options: str, port: int | None = 0) -> list[str]:
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.config_file)]
        command += ["--state-dir", str(self.folder / "state"), "--host", "127.0.0.1"]
        command += [] if port is None else ["--port", str(port)]
        return [*command, "--health-port", "0", *options]

    def start(self, *options: str) -> Gateway:
        """Start, and return when it says it is ready."""
        self._server = Server("govgate", self.command(*options), self.log, dict(os.environ))
        self._server.start()
        self._server.wait_until(lambda: bool(self.events("ready")), seconds=90)
        ready = self.events("ready")[0]
        self.port, self.health_port = ready["port"], ready["health_port"]
        return self

    @property
    def process(self) -> psutil.Process:
        assert self._server is not None
        return psutil.Process(self._server.pid)

    def children(self, module: str) -> list[psutil.Process]:
        """Processes of ours that run ``module``."""
        found = []
        for child in self.process.children():
            with contextlib.suppress(psutil.Error):
                if module in child.cmdline():
                    found.append(child)
        return found

    def workers(self) -> list[psutil.Process]:
        return self.children("gateway.server.worker")

    def records(self) -> list[dict[str, Any]]:
        """The decisions in the audit log, in their order."""
        command = [sys.executable, "-m", "gateway", "audit", "export", "--state-dir", str(self.folder / "state")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        records = (json.loads(line).get("record", {}) for line in done.stdout.splitlines())
        return [record for record in records if record.get("type") == "decision"]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of our own log (not of the audit writer's output) with the event ``name``."""
        if not self.log.exists():
            return []
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == name and "level" in event:
                    found.append(event)
        return found

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._server is not None
        assert self._server._process is not None
        self._server._process.send_signal(signal.SIGTERM)
        code = self._server._process.wait(30)
        SAID.process(self.log, self.folder / "state")
        return code

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            SAID.process(self.log, self.folder / "state")
        # Killed, it could not tidy up what lies in memory; the next start with this folder would.
        shutil.rmtree(directory_of(self.folder / "state"), ignore_errors=True)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.pem.decode())

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context or self.context())

    def ask(
        self, body: bytes, *, method: str = "POST", path: str = "/v1/validate?timeout=10s", headers: Any = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, JSON if headers is None else headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def health(self, path: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.health_port, timeout=5)
        try:
            connection.request("GET", path)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """The value of one series, such as ``govgate_x_total{result="shed"}``; 0 if there is none."""
        for line in self.health("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self) -> Any:
        return json.loads(self.text)


class Mount:
    """A folder as kubelet mounts a Secret: files are links into ``..data``, which is a link that is swapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        path.mkdir()

    def put(self, certificate: bytes, key: bytes) -> None:
        self._count += 1
        version = self.path / f"..version-{self._count}"
        version.mkdir()
        (version / "tls.crt").write_bytes(certificate)
        (version / "tls.key").write_bytes(key)
        link = self.path / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.path / "..data")
        for name in ("tls.crt", "tls.key"):
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")


def eventually(holds: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """What ``holds`` returns, once it is true; a refused connection means not yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if value := holds():
                return value
        assert time.monotonic() < deadline, "did not come to hold"
        time.sleep(0.02)


async def _breathe() -> None:
    await asyncio.sleep(0.003)


class Hammer:
    """Clients that ask all the time, some on connections they keep, some on a new one for each request.

    ``lost`` lists requests that were sent, or connections that were made, without an answer. A connection that was
    refused, or reset by the kernel while the listener closed, was never made: the client knows that nobody was asked.
    """

    def __init__(self, gateway: Gateway, *, keeping: int = 6, reconnecting: int = 3) -> None:
        self.answered = 0
        self.refused = 0
        self.asked_to_leave = 0
        self.lost: list[str] = []
        self._gateway = gateway
        self._context = gateway.context()
        self._clients = (keeping, reconnecting)
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Self:
        keeping, reconnecting = self._clients
        self._tasks = [asyncio.create_task(self._client(keep=n < keeping)) for n in range(keeping + reconnecting)]
        await asyncio.sleep(0.3)
        assert self.answered
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _client(self, *, keep: bool) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._gateway.port, ssl=self._context)
            except OSError as error:
                # asyncio's words for a connect() that failed, as opposed to a TLS handshake that broke off.
                if "Connect call failed" in str(error):
                    self.refused += 1
                    await asyncio.sleep(0.05)
                else:
                    self.lost.append(f"connecting: {error!r}")
                continue
            try:
                while await self._ask(reader, writer) and keep and not self._stop.is_set():
                    await _breathe()
            except (OSError, EOFError, ssl.SSLError) as error:
                self.lost.append(f"asking: {error!r}")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask once; whether the connection may be kept."""
        uid = f"u-{id(reader)}-{self.answered}"
        body = review(uid, size=5_000)
        head = f"POST /v1/validate?timeout=5s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        answer_head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer_head.partition("content-length: ")[2].partition("\r\n")[0])
        answer = await reader.readexactly(length)
        assert answer_head.startswith("http/1.1 200"), (answer_head, answer)
        assert json.loads(answer)["response"]["uid"] == uid
        self.answered += 1
        leave = "connection: close" in answer_head
        self.asked_to_leave += leave
        return not leave
