"""Rule bundles from a registry: loaded when they are signed as the configuration says, and else not."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.cosign import Cosign
from support.registries import RealRegistry, push

from gateway.cli import exits
from gateway.cli.app import run
from gateway.config.load import parse_config
from gateway.core.errors import ConfigError, UndecidedError
from webhooks.assembly import assemble

pytestmark = [pytest.mark.servers, pytest.mark.native]
_names = count(1)
RULE = b'package main\n\nimport rego.v1\n\ndeny contains "no such name" if input.metadata.name == "bad"\n'
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad", "namespace": "web"}}


def bundle(registry: RealRegistry, files: dict[str, bytes] | None = None, **more: Any) -> str:
    repository = f"rules/set-{next(_names)}"
    content = files or {"rule.rego": RULE, ".manifest": b'{"roots": [""]}', "name": repository.encode()}
    digest = asyncio.run(push(registry.host, repository, "v1", content, **{"layer_type": LAYER, **more}))
    return f"{registry.host}/{repository}@{digest}"


def config(registry: RealRegistry, cosign: Cosign, *sources: str, **policy: Any) -> dict[str, Any]:
    authority = {"name": "rules", "keys": [{"file": str(cosign.key)}]}
    trust = {"name": "rules", "repositories": [f"{registry.host}/rules/*"], "authorities": [authority], **policy}
    registries = [{"hosts": [registry.host], "plainHttp": True}]
    return {
        "cluster": {"connect": "none"},
        "policy": {"sources": list(sources)},
        "provenance": {"policies": [trust], "registries": registries},
    }


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """``govgate check`` of an object, by a bundle."""
    manifest = tmp_path / "object.json"
    manifest.write_text(json.dumps(OBJECT))

    def call(settings: dict[str, Any], source: str) -> tuple[int, str, str]:
        file = tmp_path / "govgate.yaml"
        file.write_text(json.dumps(settings))
        code = run(["check", str(manifest), "--config", str(file), "--policies", source])
        return code, *capsys.readouterr()

    return call


def test_a_signed_bundle_is_in_force(registry: RealRegistry, cosign: Cosign, check: Any) -> None:
    """By digest and by tag."""
    reference = bundle(registry)
    cosign.sign(reference)
    for source in (f"oci://{reference}", f"oci://{reference.partition('@')[0]}:v1"):
        code, out, _ = check(config(registry, cosign), source)
        assert code == exits.DENIED
        assert "no such name" in out


def test_an_unsigned_bundle_is_not_read(registry: RealRegistry, cosign: Cosign, stranger: Cosign, check: Any) -> None:
    """Nor one by somebody else, nor one that nobody says anything about; whatever the policy's mode."""
    reference = bundle(registry)
    for settings in (config(registry, cosign), config(registry, cosign, mode="audit")):
        code, out, err = check(settings, f"oci://{reference}")
        assert (code, out) == (exits.FAILED, "")
        assert "no signature was found" in err
    stranger.sign(reference)
    assert "not accepted" in check(config(registry, cosign), f"oci://{reference}")[2]
    elsewhere = config(registry, cosign, repositories=["ghcr.io/**"])
    code, _, err = check(elsewhere, f"oci://{reference}")
    assert code == exits.FAILED
    assert "no trust policy of the configuration" in err


def test_a_bundle_is_one_archive(registry: RealRegistry, cosign: Cosign, check: Any) -> None:
    """And an archive that holds a bundle."""
    broken = bundle(registry, {".manifest": b"{"})
    cosign.sign(broken)
    assert check(config(registry, cosign), f"oci://{broken}")[0] == exits.FAILED
    other = bundle(registry, layer_type="text/plain")
    cosign.sign(other)
    assert "holds 0 archives" in check(config(registry, cosign), f"oci://{other}")[2]


async def test_a_server_wants_the_digest(registry: RealRegistry, cosign: Cosign) -> None:
    """Its workers must all have the same rules."""
    document = config(registry, cosign, f"oci://{registry.host}/rules/set:v1")
    with pytest.raises(ConfigError, match="name its digest"):
        await assemble(parse_config(json.dumps(document).encode(), source="test"))


async def test_a_registry_that_is_away_is_undecided(registry: RealRegistry, cosign: Cosign) -> None:
    """Not a bundle that is bad."""
    document = config(registry, cosign, f"oci://127.0.0.1:1/rules/set@sha256:{'0' * 64}", repositories=["**"])
    with pytest.raises(UndecidedError, match="unreachable"):
        await assemble(parse_config(json.dumps(document).encode(), source="test"))
