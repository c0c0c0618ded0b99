"""What ``check --fix`` makes of an object that the API server takes, the API server takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import Cluster
from support.pod_fields import changed, changes, combinations, described, harmless, windows, windows_changes
from support.users import ROOT

from gateway.cli.app import app

pytestmark = pytest.mark.native

SEED = 20261126


def refusal(cluster: Cluster, namespace: str, pod: Any) -> str:
    """Why the API server does not take the Pod; empty if it does."""
    api = cluster.api(ROOT)
    try:
        api.call("POST", f"{api.path('v1', 'Pod', namespace)}?dryRun=All", pod)
    except ApiError as error:
        return error.message
    return ""


def test_a_fixed_pod_is_accepted(
    cluster: Cluster, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many values of each field of a Pod, some of them together, and Pods for Windows."""
    made = [(harmless(), (change,)) for change in changes()[::3]]
    made += [(harmless(), together) for together in combinations(SEED, 30)]
    made += [(windows(), (change,)) for change in windows_changes()]
    pods = [changed(pod, *those) for pod, those in made]
    notes = {f"pod-{number}": described(*those) for number, (_, those) in enumerate(made)}
    for name, pod in zip(notes, pods, strict=True):
        pod["metadata"]["name"] = name
    taken = [pod for pod in pods if not refusal(cluster, namespace, pod)]
    file = tmp_path / "pods.yaml"
    file.write_text("\n---\n".join(json.dumps(pod, indent=2) for pod in taken))
    sets = ("--policies", "builtin:pod-security-baseline", "--policies", "builtin:pod-security-restricted")
    app(("check", str(file), *sets, "--fix", "-o", "json"), result_action="return_value")
    report = json.loads(capsys.readouterr().out)
    fixed = [json.loads(text) for text in file.read_text().split("\n---\n")]
    differing = [pod for pod, old in zip(fixed, taken, strict=True) if pod != old]
    refused = {notes[pod["metadata"]["name"]]: why for pod in differing if (why := refusal(cluster, namespace, pod))}
    assert refused == {}
    assert len(differing) > len(taken) / 3
    assert {finding["rule"] for finding in report["findings"] if "fix" in finding} <= {
        "pod-security/privilege-escalation"
    }
