"""The chart as the pinned helm renders it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml
from support.tools import tool

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/govgate"
CRDS = CHART / "files/crds"

Json = dict[str, Any]


class RefusedError(Exception):
    """Helm's own words."""


def rendered(
    *options: str, values: Path | None = None, release: str = "govgate", namespace: str = "govgate-system"
) -> list[Json]:
    """The objects. ``options``: as helm takes them.

    Raises:
        RefusedError: helm refuses.
    """
    files = ["--values", str(values)] if values else []
    command = [tool("helm"), "template", release, str(CHART), "--namespace", namespace, "--kube-version", "1.36.0"]
    done = subprocess.run([*command, *files, *options], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RefusedError(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents: list[Json], kind: str, ending: str = "") -> Json:
    """The one object of a kind, whose name has this ending."""
    (found,) = [one for one in documents if one["kind"] == kind and one["metadata"]["name"].endswith(ending)]
    return found
