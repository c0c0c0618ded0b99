"""One table of manifests that are not right: `govgate check` and the admission guard say the same of each."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.external_table import GROUP, TABLE
from support.reviews import subject

from gateway.cli.app import run
from gateway.config.controller import Controller, External
from gateway.config.model import Config
from gateway.core.guard import Judged
from gateway.core.subject import GroupVersionKind
from webhooks.assembly import secrets_guard

Json = dict[str, Any]
pytestmark = pytest.mark.native
CHECKED = {"refused": "deny", "schema": "deny", "warned": "warn"}
ADMITTED = {"refused": "deny", "schema": "warn", "warned": "warn"}


def found_in_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], manifests: list[Json]) -> list[Json]:
    file, config = tmp_path / "all.yaml", tmp_path / "check.yaml"
    file.write_text("\n---\n".join(map(json.dumps, manifests)))
    config.write_text(yaml.safe_dump({"controller": {"external": {"enabled": True}}}))
    assert run(["check", str(file), "--config", str(config), "-o", "json"]) == 3
    found = json.loads(capsys.readouterr().out)["findings"]
    return [one for one in found if one["rule"].startswith("external-secrets/")]


def found_at_admission(manifest: Json) -> list[tuple[str, str, str, str]]:
    guard = secrets_guard(Config(controller=Controller(external=External(enabled=True))))
    metadata = manifest["metadata"]
    kind = GroupVersionKind(GROUP, manifest["apiVersion"].partition("/")[2], manifest["kind"])
    asked = subject("CREATE", new=manifest, kind=kind, namespace=metadata.get("namespace", ""), name=metadata["name"])
    assert guard.concerns(asked)
    outcome = asyncio.run(guard.judge(asked))
    assert isinstance(outcome, Judged)
    return [(one.id, one.rule, one.field, one.action.value) for one in outcome.findings]


def test_files_and_admission_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each manifest, one thing, under one id; what an API server's schema decides is denied in files alone."""
    manifests = [row.manifest("web", "vault") for row in TABLE]
    checked = found_in_files(tmp_path, capsys, manifests)
    for row, manifest in zip(TABLE, manifests, strict=True):
        rule, name = f"external-secrets/{row.rule}", manifest["metadata"]["name"]
        own = [one for one in checked if one["resource"]["name"] == name]
        said = [(one["rule"], one["field"], one["action"]) for one in own]
        assert said == [(rule, row.field, CHECKED[row.verdict])], row.name
        assert found_at_admission(manifest) == [(own[0]["id"], rule, row.field, ADMITTED[row.verdict])], row.name
