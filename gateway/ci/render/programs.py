"""Runs kustomize and helm: bounded, without the network, a cluster or the user's own settings."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.ci.render.folders import Folder

MAX_BYTES = 64 * 1024 * 1024
TIMEOUT_SECONDS = 120.0
_MAX_SAID = 600
# Nobody listens there: what would be fetched from the network fails at once, and says so.
_NOWHERE = "http://127.0.0.1:9"


class Rendered(msgspec.Struct, frozen=True):
    """What a folder stands for: YAML, or why it cannot be had."""

    data: bytes = b""
    problem: str = ""


class Renderer(msgspec.Struct, frozen=True):
    """How folders are rendered. ``values``: files for every chart; ``namespace`` and ``kube_version`` as helm takes them."""

    values: tuple[str, ...] = ()
    namespace: str = ""
    kube_version: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS

    def render(self, folder: Folder) -> Rendered:
        """Render one folder."""
        command = self._kustomize(folder) if folder.tool == "kustomize" else self._helm(folder)
        if isinstance(command, Rendered):
            return command
        with tempfile.TemporaryDirectory(prefix="govgate-render-") as home:
            return _run(command, Path(home), self.timeout_seconds)

    def _kustomize(self, folder: Folder) -> list[str] | Rendered:
        for program, command in (("kustomize", "build"), ("kubectl", "kustomize")):
            found = shutil.which(program)
            if found is not None:
                return [found, command, folder.path]
        return _missing("kustomization", "neither kustomize nor kubectl is")

    def _helm(self, folder: Folder) -> list[str] | Rendered:
        found = shutil.which("helm")
        if found is None:
            return _missing("Helm chart", "helm is not")
        release = Path(os.path.realpath(folder.path)).name.lower()[:53]
        command = [found, "template", release, folder.path, "--include-crds"]
        command += ["--namespace", self.namespace] if self.namespace else []
        command += ["--kube-version", self.kube_version] if self.kube_version else []
        return [*command, *(part for value in self.values for part in ("--values", value))]


def _missing(what: str, program: str) -> Rendered:
    return Rendered(
        problem=f"is a {what}, and {program} on PATH: install it, render it yourself and pipe it in, "
        "or judge the files as they lie with --render never"
    )


def _run(command: Sequence[str], home: Path, timeout_seconds: float) -> Rendered:
    program = Path(command[0]).name
    late = threading.Event()
    with (home / "stderr").open("w+b") as said:
        process = subprocess.Popen(  # noqa: S603 - a program of the user's, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=_environment(home),
            start_new_session=True,
        )
        timer = threading.Timer(timeout_seconds, _end_late, (process, late))
        timer.start()
        with process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            try:
                data = process.stdout.read(MAX_BYTES + 1)
            finally:
                timer.cancel()
                if not late.is_set():
                    _end_if_running(process)
        said.seek(0)
        text = " ".join(said.read(16_384).decode(errors="replace").split())[:_MAX_SAID]
    if late.is_set():
        return Rendered(problem=f"{program} took longer than {timeout_seconds:g} s")
    if len(data) > MAX_BYTES:
        return Rendered(problem=f"{program} printed more than {MAX_BYTES} bytes")
    if process.returncode != 0:
        return Rendered(problem=f"{program} failed: {text or f'exit code {process.returncode}'}")
    return Rendered(data)


def _end_if_running(process: subprocess.Popen[bytes]) -> None:
    """It has closed its output, so it is about to end; or it prints more than is read."""
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        _end(process)


def _end_late(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program, and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the user's: no kubeconfig, no plugins, no repositories, no network, no git to fetch with."""
    nothing = {"HOME": str(home), "PATH": "/nonexistent", "TMPDIR": str(home), "LANG": "C.UTF-8"}
    nothing |= {name: str(home / name.lower()) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    return nothing | dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), _NOWHERE) | {"NO_PROXY": ""}
