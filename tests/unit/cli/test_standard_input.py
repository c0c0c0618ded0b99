"""``-`` is standard input, and nothing else that begins with a hyphen is taken for a file."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from gateway.cli.app import run

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
REQUEST = {
    "uid": "u-1", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "p", "object": POD,
}  # fmt: skip
REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": REQUEST}


@pytest.fixture
def no_rules(tmp_path: Path) -> str:
    """A configuration that needs no engine."""
    path = tmp_path / "config.yaml"
    path.write_text("policy: {sources: []}")
    return str(path)


def given(monkeypatch: pytest.MonkeyPatch, document: object) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(document).encode())))


def test_review_reads_it(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], no_rules: str) -> None:
    """A review that comes through a pipe is answered."""
    given(monkeypatch, REVIEW)
    assert run(["review", "-", "-o", "json", "--config", no_rules]) == 0
    assert json.loads(capfd.readouterr().out)["response"]["uid"] == "u-1"


@pytest.mark.native
def test_check_reads_it(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """So is a manifest."""
    given(monkeypatch, POD | {"spec": {"hostPID": True}})
    assert run(["check", "-", "--policies", "builtin:pod-security-baseline", "-n", "web"]) == 3
    out, err = capfd.readouterr()
    assert out.startswith("standard input:1: deny: Pod web/p spec.hostPID: ")
    assert err.splitlines()[-1] == "1 judged, 1 denied, 0 warned, 0 indeterminate, 0 excepted"


@pytest.mark.parametrize("command", ["review", "check"])
def test_a_misspelt_option_is_no_file(capfd: pytest.CaptureFixture[str], command: str) -> None:
    """It would be ignored where it was meant to be strict."""
    assert run([command, "--faill-on", "warn", "x.yaml"]) == 64
    assert "Unknown option: --faill-on" in capfd.readouterr().err
