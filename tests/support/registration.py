"""Registers a webhook with the tests' cluster exactly as ``govgate webhook-config`` prints it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.users import ROOT

_PROBE = "govgate-registration-probe"


@contextmanager
def registered(cluster: Cluster, url: str, ca_file: Path, *options: str) -> Iterator[dict[str, Any]]:
    """While the context lasts the API server asks ``url``; it does so already when the context begins.

    ``options`` are further options of the command. A second webhook is added that nobody answers and that matches
    one name only: once a request of that name is refused, the registration is in force.
    """
    command = [sys.executable, "-m", "gateway", "webhook-config", "-o", "json", "--url", url, "--ca-file", str(ca_file)]
    printed = subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout
    registration = json.loads(printed)
    registration["webhooks"].append(_unanswered(registration["webhooks"][0]))
    root = cluster.api(ROOT)
    made = root.create(registration)
    try:
        wait_for(lambda: _in_force(cluster, _PROBE), seconds=30)
        yield made
    finally:
        root.delete(made, missing_ok=True)


def wait_forgotten(cluster: Cluster) -> None:
    """Wait until the API server no longer asks what was :func:`registered`."""
    wait_for(lambda: not _in_force(cluster, _PROBE), seconds=30)


def believe(cluster: Cluster, name: str, authorities: bytes) -> None:
    """Have the API server believe these ``authorities`` (PEM) from now on; it does so when this returns."""
    root = cluster.api(ROOT)
    found = root.get("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", name)
    *webhooks, before = found["webhooks"]
    for webhook in webhooks:
        webhook["clientConfig"]["caBundle"] = base64.b64encode(authorities).decode()
    probe = f"{_PROBE}-{found['metadata']['resourceVersion']}"
    root.replace({**found, "webhooks": [*webhooks, _unanswered(before, probe)]})
    wait_for(lambda: _in_force(cluster, probe), seconds=30)


def _unanswered(webhook: dict[str, Any], name: str = _PROBE) -> dict[str, Any]:
    return webhook | {
        "name": "probe.govgate.dev",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "matchConditions": [{"name": "probe", "expression": f"has(request.name) && request.name == '{name}'"}],
        "namespaceSelector": {},
        "failurePolicy": "Fail",
    }


def _in_force(cluster: Cluster, name: str) -> bool:
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        cluster.api(ROOT).apply(item, manager="tests", dry_run=True)
    except ApiError as error:
        return "probe.govgate.dev" in error.message
    return False
