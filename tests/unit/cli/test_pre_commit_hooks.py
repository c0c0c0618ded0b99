"""`.pre-commit-hooks.yaml`: its entries, run as pre-commit runs them, on files that are right and on files that are not."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.sealing import CANARY, sealing, secret, secret_document

from gateway.cli.app import run
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import seal_secret

pytestmark = pytest.mark.native

ROOT = Path(__file__).parents[3]
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
SEALED = seal_secret(secret(), Scope.STRICT, sealing()).document
MOVED = SEALED | {"metadata": SEALED["metadata"] | {"name": "other"}}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "web"}}
SOURCE = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "app", "namespace": "web"},
    "spec": {"url": "https://user:hunter2hunter2@example.com/app", "interval": "1m"},
}
GOOD: dict[str, Any] = {"app.yaml": POD, "sealed.json": SEALED}
BAD: dict[str, dict[str, Any]] = {
    "govgate-detect": {"secret.yaml": secret_document()},
    "govgate-check": {"source.yaml": SOURCE},
    "govgate-seal-validate": {"moved.yaml": MOVED},
}


def written(folder: Path, files: dict[str, Any]) -> list[str]:
    for name, document in files.items():
        (folder / name).write_text(json.dumps(document))
    return sorted(files)


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of changed files go behind the entry: what is right ends in 0, one that is not stops the commit."""
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(HOOKS[name]["entry"])
    assert program == "govgate"
    good, bad = written(tmp_path, GOOD), written(tmp_path, BAD[name])
    assert run([*words, *good]) == 0
    assert run([*words, *good, *bad]) == 3
    said = "".join(capsys.readouterr())
    assert bad[0] in said
    assert CANARY not in said


def test_the_hooks_are_installed_with_the_package() -> None:
    """pre-commit installs this repository with pip, and runs its script; each hook is documented."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    documented = (ROOT / "docs" / "detection.md").read_text()
    assert "govgate" in scripts
    assert HOOKS.keys() == BAD.keys()
    for name, hook in HOOKS.items():
        assert hook["language"] == "python"
        assert {"id", "name", "description", "entry"} <= hook.keys()
        assert f"id: {name}" in documented
