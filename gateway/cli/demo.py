"""``govgate demo``: the main job end to end. A real server, recorded requests over TLS, the log verified."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli import exits
from gateway.core.errors import GovgateError

START_SECONDS = 30.0
STOP_SECONDS = 30.0
SHOWN_IN_FULL = "edit-image"
_STYLES = {"ALLOW": "green", "DENY": "bold red", "UNDECIDED": "yellow"}


class Scene(msgspec.Struct):
    """One recorded request: what was done, by whom, and the AdmissionReview that the API server sent."""

    scene: str
    title: str
    who: str
    review: msgspec.Raw


class Answer(msgspec.Struct):
    """What the server answered."""

    verdict: str
    why: str
    message: str


def demo(*, state_dir: Path | None = None) -> int:
    """Show govgate at work: start the server, judge recorded requests of a real API server, verify the audit log.

    Nothing outside the demo's own folder is touched; no cluster is needed.

    Parameters
    ----------
    state_dir
        Where to keep the server's certificate and audit log; else a new temporary folder, which is kept.
    """
    folder = Path(tempfile.mkdtemp(prefix="govgate-demo-")) if state_dir is None else state_dir
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    started = time.monotonic()
    with _server(folder) as port:
        console.print(f"govgate serve is ready on https://127.0.0.1:{port} ({time.monotonic() - started:.1f} s)\n")
        scenes = list(_scenes())
        answers = asyncio.run(_ask_all(scenes, port, folder / "tls" / "ca.crt"))
    _print(console, scenes, answers)
    verified = _run("audit", "verify", "--state-dir", str(folder))
    console.print(f"\nThe audit log is in {folder}. Look into it:")
    for command in ("audit query --decision deny --limit 5", "audit tail -n 3", "audit export --format jsonl"):
        console.print(f"  govgate {command} --state-dir {folder}")
    return exits.CLEAN if verified == 0 else exits.FAILED


def _scenes() -> Iterator[Scene]:
    recorded = resources.files("gateway.cli").joinpath("demo_reviews.jsonl").read_bytes()
    decoder = msgspec.json.Decoder(Scene)
    return (decoder.decode(line) for line in recorded.splitlines())


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[int]:
    """The real server, on embedded defaults; yields its port, and stops it in order."""
    environment = {name: value for name, value in os.environ.items() if name != "GOVGATE_CONFIG"}
    log = folder / "serve.log"
    command = [sys.executable, "-m", "gateway", "serve", "--self-signed", "--state-dir", str(folder)]
    command += ["--host", "127.0.0.1", "--port", "0", "--health-port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - ours
    try:
        yield _wait_ready(process, log)
    finally:
        # Twice: a demo has no one to drain for.
        for _ in range(2):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for line in log.read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                event = msgspec.json.decode(line, type=dict[str, Any])
                if event.get("event") == "ready":
                    return int(event["port"])
        if process.poll() is not None:
            break
        time.sleep(0.02)
    tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise GovgateError(f"the server did not start: {tail[0]} (see {log})")


async def _ask_all(scenes: list[Scene], port: int, ca_file: Path) -> list[Answer]:
    context = ssl.create_default_context(cafile=str(ca_file))
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as session:
        return [await _ask(session, scene) for scene in scenes]


async def _ask(session: aiohttp.ClientSession, scene: Scene) -> Answer:
    headers = {"Content-Type": "application/json"}
    async with session.post("/v1/validate?timeout=10s", data=bytes(scene.review), headers=headers) as response:
        body = await response.read()
        if response.status != 200:  # noqa: PLR2004 - HTTP OK
            return Answer(f"HTTP {response.status}", body.decode(errors="replace")[:200], "")
    answered = msgspec.json.decode(body)["response"]
    annotations, message = answered["auditAnnotations"], answered.get("status", {}).get("message", "")
    # What the drift guard says is what the scenes are about; the policy guard speaks up where it finds something.
    why = annotations.get("reasons", "").removeprefix("drift: ").partition("; policy: ")[0]
    found = [line.removeprefix("- ") for line in message.splitlines() if line.startswith("- ")]
    if found:
        why = found[0].rpartition(" [")[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
    return Answer(annotations["decision"].upper(), why, message)


def _print(console: Console, scenes: list[Scene], answers: list[Answer]) -> None:
    table = Table(title="What was asked, by whom, the verdict and why", title_justify="left", expand=False)
    for column in ("asked", "by", "verdict", "why"):
        table.add_column(column, overflow="fold", no_wrap=column == "verdict")
    for scene, answer in zip(scenes, answers, strict=True):
        verdict = Text(answer.verdict, style=_STYLES.get(answer.verdict, "bold red"))
        table.add_row(Text(scene.title), Text(_short(scene.who)), verdict, Text(answer.why))
    console.print(table)
    for scene, answer in zip(scenes, answers, strict=True):
        if scene.scene == SHOWN_IN_FULL:
            console.print(f"\nWhat {scene.who} reads in the terminal ({scene.title}):\n")
            console.print(Text(answer.message))
    allowed = sum(answer.verdict == "ALLOW" for answer in answers)
    denied = sum(answer.verdict == "DENY" for answer in answers)
    console.print(f"\n{len(answers)} requests: {allowed} allowed, {denied} denied, ", end="")
    console.print(f"{len(answers) - allowed - denied} not decided (no cluster to look things up in)\n")


def _short(who: str) -> str:
    """A service account as ``namespace/name``."""
    return who.removeprefix("system:serviceaccount:").replace(":", "/") if who.startswith("system:servicea") else who


def _run(*arguments: str) -> int:
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "gateway", *arguments], check=False).returncode  # noqa: S603 - ours
