"""A real ``govgate controller`` for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import yaml
from support.cluster import wait_for
from support.crds import Crd
from support.processes import Server
from support.said import METRICS, SAID

Json = dict[str, Any]
OPEN_REPORTS = (
    Crd("openreports.io", "Report", "reports", ("v1alpha1",)),
    Crd("openreports.io", "ClusterReport", "clusterreports", ("v1alpha1",), scope="Cluster"),
)
POLICY_REPORTS = (
    Crd("wgpolicyk8s.io", "PolicyReport", "policyreports", ("v1alpha2",)),
    Crd("wgpolicyk8s.io", "ClusterPolicyReport", "clusterpolicyreports", ("v1alpha2",), scope="Cluster"),
)


class ControllerProcess:
    """One controller with a folder of its own, which a second one may take over."""

    def __init__(self, folder: Path, *, environment: dict[str, str] | None = None, **config: Any) -> None:
        """``environment`` is added to that of the tests."""
        folder.mkdir(exist_ok=True)
        self._environment = {**os.environ, **(environment or {})}
        self.folder = folder
        self.state = folder / "state"
        self.config_file = folder / "govgate.yaml"
        self.write_config(yaml.safe_dump(config))
        self.log = folder / "log"
        self._server: Server | None = None

    def write_config(self, text: str) -> None:
        """Replace the configuration file as a mount does: all at once."""
        new = self.config_file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.config_file)

    def start(self) -> None:
        """Start it; returns when its listener answers."""
        command = [sys.executable, "-m", "gateway", "controller", "--config", str(self.config_file)]
        command += ["--state-dir", str(self.state), "--host", "127.0.0.1", "--health-port", "0"]
        self.log.write_text("")
        self._server = Server("govgate controller", command, self.log, self._environment)
        self._server.start()
        self._server.wait_until(lambda: self.events("listening") != [])
        self.port = self.events("listening")[0]["health_port"]

    def kill(self) -> None:
        """SIGKILL."""
        if self._server is not None:
            self._server.kill()
            SAID.process(self.log, self.state)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stopped in the middle of whatever it does, while this lasts."""
        assert self._server is not None
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._server.pid, signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._server is not None
        os.kill(self._server.pid, signal.SIGTERM)
        return self.wait()

    def wait(self, *, seconds: float = 20.0) -> int:
        """Until it ends; the exit code."""
        assert self._server is not None
        assert self._server._process is not None
        code = self._server._process.wait(timeout=seconds)
        SAID.process(self.log, self.state)
        return code

    def events(self, event: str) -> list[Json]:
        """Lines of the log."""
        found = []
        for line in self.log.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record.get("event") == event:
                found.append(record)
        return found

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of its listener."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
                text = response.read().decode()
                SAID.add(METRICS, text)
                return response.status, text
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The value of one sample, 0 if there is none."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def wait_scans(self, count: int, *, seconds: float = 30.0) -> None:
        """Until so many scans of this process are whole, and their reports are written."""

        def there() -> bool:
            total = sum(self.metric(f'govgate_scan_runs_total{{result="{r}"}}') for r in ("complete", "incomplete"))
            return total >= count

        wait_for(there, seconds=seconds)

    def findings(self, *options: str) -> Json:
        """What ``govgate scan --last`` shows of its state."""
        command = [sys.executable, "-m", "gateway", "scan", "--last", "--state-dir", str(self.state), "-o", "json"]
        done = subprocess.run(
            [*command, "--config", str(self.config_file), *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, 3), done.stderr
        document: Json = json.loads(done.stdout)
        return document
