"""Flux Kustomizations in a checkout, and the SOPS files that they apply, as check judges them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyrage
import pytest

from gateway.cli.app import run
from gateway_secrets.sops import program

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\nstringData: {password: hunter2-x9}\n"
RECIPIENT, STRANGER = (str(pyrage.x25519.Identity.generate().to_public()) for _ in range(2))
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def encrypted() -> dict[str, bytes]:
    """The Secret, by whom it is encrypted for."""
    arguments = ["encrypt", "--encrypted-regex", "^(data|stringData)$", "--filename-override", "s.yaml"]
    return {
        who: program.run([*arguments, "--age", who, "/dev/stdin"], given=SECRET.encode())
        for who in (RECIPIENT, STRANGER)
    }


def checkout(folder: Path, files: dict[str, str | bytes], **decryption: Any) -> None:
    """A checkout in which one Kustomization applies ``apps``."""
    (folder / ".git").mkdir()
    rule = {"path_regex": r"apps/.*\.yaml$", "age": RECIPIENT}
    spec = {"path": "./apps", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "x"}, **decryption}
    flux = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "spec": spec}
    both: dict[str, str | bytes] = {
        ".sops.yaml": json.dumps({"creation_rules": [rule]}),
        "clusters/apps.yaml": json.dumps(flux | {"metadata": {"name": "apps", "namespace": "flux-system"}}),
    }
    for name, data in (both | files).items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


SOPS = {"decryption": {"provider": "sops", "secretRef": {"name": "sops-age"}}}


def judged(folder: Path, capfd: Captured, *options: str) -> list[tuple[str, str]]:
    code = run(["check", str(folder / "clusters"), "-o", "json", *options])
    shown = capfd.readouterr()
    assert "hunter2" not in shown.out + shown.err
    found = json.loads(shown.out)["findings"]
    assert code == (3 if any(one["action"] == "deny" for one in found) else 0), shown.err
    return sorted((one["rule"], one["resource"]["name"]) for one in found if one["rule"].startswith("sops/"))


@pytest.mark.native
def test_what_it_decrypts(tmp_path: Path, capfd: Captured, encrypted: dict[str, bytes]) -> None:
    """Secrets in plain text, and files for others than declared, each by its name; the rest is right."""
    files = {
        "apps/good.yaml": encrypted[RECIPIENT],
        "apps/x/stranger.yaml": encrypted[STRANGER],
        "apps/plain.yaml": SECRET,
    }
    checkout(tmp_path, files, **SOPS)
    assert judged(tmp_path, capfd) == [
        ("sops/flux-not-encrypted", "apps/plain.yaml"),
        ("sops/flux-recipients", "apps/x/stranger.yaml"),
    ]


@pytest.mark.native
def test_what_it_does_not_decrypt(tmp_path: Path, capfd: Captured, encrypted: dict[str, bytes]) -> None:
    """A SOPS file is found, whoever it is for; a Secret in plain text is no matter of SOPS."""
    checkout(tmp_path, {"apps/good.yaml": encrypted[RECIPIENT], "apps/plain.yaml": SECRET})
    assert judged(tmp_path, capfd) == [("sops/flux-decryption", "apps/good.yaml")]
    config = tmp_path / "config.yaml"
    config.write_text("secrets: {sops: 'off'}\n")
    assert judged(tmp_path, capfd, "--config", str(config)) == []


@pytest.mark.native
def test_only_what_is_applied(tmp_path: Path, capfd: Captured, encrypted: dict[str, bytes]) -> None:
    """Where there is a kustomization, what it names and nothing else; also outside of the path, never of the checkout."""
    kustomization = "resources: [good.yaml, ../base, ../../outside.yaml, https://example.org/x]\n"
    files: dict[str, str | bytes] = {
        "apps/kustomization.yaml": kustomization,
        "apps/good.yaml": encrypted[RECIPIENT],
        "apps/unused.yaml": SECRET,
        "base/plain.yaml": SECRET,
        "../outside.yaml": SECRET,
    }
    folder = tmp_path / "checkout"
    folder.mkdir()
    checkout(folder, files, **SOPS)
    assert judged(folder, capfd) == [("sops/flux-not-encrypted", "base/plain.yaml")]


@pytest.mark.native
def test_without_sops_nothing_is_said(tmp_path: Path, capfd: Captured) -> None:
    """Verdicts of repositories that do not use SOPS are what they were."""
    checkout(tmp_path, {"apps/plain.yaml": SECRET})
    assert judged(tmp_path, capfd) == []
