"""The drill of docs/break-glass.md: who types what, and what is shown then."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.cluster import Cluster
from support.tools import tool
from support.users import ALICE, BOB, ROOT

PAGE = (Path(__file__).parents[2] / "docs/break-glass.md").read_text()
USERS = {"alice": ALICE, "bob": BOB, "root": ROOT}


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


def run(cluster: Cluster, who: str, command: str, *, errors: bool = True) -> str:
    """What a command of somebody shows; without ``errors``: on standard output."""
    words = shlex.split(command)
    programs = {"kubectl": [tool("kubectl")], "govgate": [sys.executable, "-m", "gateway"]}
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig(USERS[who])), "HOME": str(cluster.directory)}
    done = subprocess.run(
        [*programs[words[0]], *words[1:]], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + (done.stderr if errors else "")


def shows(output: str, line: str) -> bool:
    return re.search(".*".join(re.escape(part) for part in line.split("…")), output) is not None
