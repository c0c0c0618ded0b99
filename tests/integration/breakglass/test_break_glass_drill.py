"""The drill of docs/break-glass.md, as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from recordings.objects import FLUX, deployment, labelled
from support.cluster import Cluster
from support.gateway import Gateway
from support.tools import tool
from support.users import ALICE, BOB, KUSTOMIZE_CONTROLLER, ROOT

PAGE = (Path(__file__).parents[3] / "docs/break-glass.md").read_text()
USERS = {"alice": ALICE, "bob": BOB}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def steps() -> Iterator[tuple[str, str, list[str]]]:
    """Who types what, and what is shown then, line by line; … is anything."""
    drill = PAGE.partition("## A drill")[2].partition("\n## ")[0]
    lines = "\n".join(re.findall(r"```console\n(.*?)```", drill, re.DOTALL)).splitlines()
    found: list[tuple[str, str, list[str]]] = []
    for line in filter(None, lines):
        typed = re.match(r"(alice|bob|flux)\$ (.*)", line)
        if typed:
            found.append((typed[1], typed[2], []))
        else:
            found[-1][2].append(line)
    return iter(found)


def run(cluster: Cluster, who: str, command: str) -> str:
    """What a command of somebody shows."""
    words = shlex.split(command)
    programs = {"kubectl": [tool("kubectl")], "govgate": [sys.executable, "-m", "gateway"]}
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig(USERS[who])), "HOME": str(cluster.directory)}
    done = subprocess.run(
        [*programs[words[0]], *words[1:]], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def shows(output: str, line: str) -> bool:
    return re.search(".*".join(re.escape(part) for part in line.split("…")), output) is not None


def flux_applies(cluster: Cluster, image: str) -> None:
    item = deployment("shop", "web")
    item["spec"]["template"]["spec"]["containers"][0]["image"] = image
    marked = labelled(item, dict(zip(FLUX, ("web", "shop"), strict=True)))
    cluster.api(KUSTOMIZE_CONTROLLER).apply(marked, manager="kustomize-controller")


@pytest.fixture
def shop(cluster: Cluster, gateways: list[Gateway]) -> Iterator[None]:
    root = cluster.api(ROOT)
    root.apply(NAMESPACE, manager="tests")
    flux_applies(cluster, "registry.example.com/shop/web:1.0.0")
    yield
    root.delete(NAMESPACE, missing_ok=True)


def test_the_drill(cluster: Cluster, shop: None) -> None:
    """Each command shows what the page says that it shows."""
    typed = list(steps())
    assert len(typed) == 11
    for who, command, expected in typed:
        if who == "flux":
            flux_applies(cluster, command)
            continue
        deadline = time.monotonic() + 60
        while True:
            output = run(cluster, who, command)
            missing = [line for line in expected if not shows(output, line)]
            # What a person changed is seen by a gateway a moment later; what is asked for or deleted is so once.
            again = command.startswith("kubectl -n shop") or "list" in command
            if not missing or not again or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert not missing, (command, missing, output)
        if "--fail-on warn" in command:
            assert "not-in-git" not in output
