"""``govgate check`` over manifests that will have something fetched: what admission would say, before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.cosign import Cosign
from support.registries import RealRegistry, push

from gateway.cli import exits
from gateway.cli.app import run

pytestmark = [pytest.mark.servers, pytest.mark.native]
_names = count(1)
Json = dict[str, Any]
Check = Callable[..., tuple[int, Json]]
FLUX = "source.toolkit.fluxcd.io/v1"


@pytest.fixture
def check(registry: RealRegistry, cosign: Cosign, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Exit code and the JSON of a run over some objects."""

    def call(*objects: Json, **policy: Any) -> tuple[int, Json]:
        authority = {"name": "release", "keys": [{"file": str(cosign.key)}]}
        trust = {"name": "acme", "repositories": [f"{registry.host}/ci/**"], "authorities": [authority], **policy}
        registries = [{"hosts": [registry.host], "plainHttp": True}]
        settings = {"provenance": {"policies": [trust], "registries": registries, "maxRequests": 20}}
        settings["policy"] = {"rules": [{"rules": ["*"], "action": "off"}]}
        (tmp_path / "govgate.yaml").write_text(json.dumps(settings))
        files = tmp_path / "objects"
        files.mkdir(exist_ok=True)
        for number, item in enumerate(objects):
            (files / f"{number}.json").write_text(json.dumps(item, indent=1))
        code = run(["check", str(files), "--config", str(tmp_path / "govgate.yaml"), "-o", "json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def artifact(registry: RealRegistry, cosign: Cosign | None) -> str:
    repository = f"ci/app-{next(_names)}"
    digest = asyncio.run(push(registry.host, repository, "1.0.0", {"a": repository.encode()}))
    if cosign is not None:
        cosign.sign(f"{registry.host}/{repository}@{digest}")
    return f"{registry.host}/{repository}@{digest}"


def item(api_version: str, kind: str, spec: Json, name: str = "x") -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "web"}, "spec": spec}


def pod(image: str) -> Json:
    return item("v1", "Pod", {"containers": [{"name": "main", "image": image}]})


def test_an_unsigned_image_is_denied_with_its_line(registry: RealRegistry, cosign: Cosign, check: Check) -> None:
    """The finding has admission's id, and the place in the file."""
    code, document = check(pod(artifact(registry, cosign)))
    assert (code, document["findings"]) == (exits.CLEAN, [])
    code, document = check(pod(artifact(registry, None)))
    (finding,) = document["findings"]
    assert code == exits.DENIED
    assert (finding["rule"], finding["field"]) == ("provenance/signature", "spec.containers[name=main].image")
    assert finding["location"]["line"] > 1


def test_charts_are_found_through_repositories_among_the_files(
    registry: RealRegistry, cosign: Cosign, check: Check
) -> None:
    """And where the repository is not among them, it is undecided, not passed over."""
    unsigned = artifact(registry, None)
    chart = {"chart": unsigned.partition("@")[0].rpartition("/")[2], "version": "1.0.0"}
    chart["sourceRef"] = {"kind": "HelmRepository", "name": "charts"}
    release = item("helm.toolkit.fluxcd.io/v2", "HelmRelease", {"chart": {"spec": chart}})
    repository = item(FLUX, "HelmRepository", {"type": "oci", "url": f"oci://{registry.host}/ci"}, "charts")
    code, document = check(release)
    assert code == exits.DENIED
    assert "not among the files" in document["indeterminate"][0]["reason"]
    code, document = check(release, repository)
    assert "provenance/signature" in [finding["rule"] for finding in document["findings"]]


def test_what_flux_has_fetched_is_verified(registry: RealRegistry, cosign: Cosign, check: Check) -> None:
    """Of a source as it stands in a cluster: what it reports, beside what it names; and that the two differ."""
    signed, unsigned = artifact(registry, cosign), artifact(registry, None)
    name, _, digest = signed.partition("@")
    verify = {"provider": "cosign", "secretRef": {"name": "key"}}
    source = item(FLUX, "OCIRepository", {"url": f"oci://{name}", "ref": {"digest": digest}, "verify": verify})
    running = {**source, "status": {"artifact": {"revision": f"1.0.0@{digest}"}}}
    code, document = check(running)
    assert (code, document["findings"]) == (exits.CLEAN, [])
    other = unsigned.partition("@")[2]
    drifted = {**source, "status": {"artifact": {"revision": f"1.0.0@{other}"}}}
    code, document = check(drifted)
    found = {finding["rule"]: finding["field"] for finding in document["findings"]}
    assert code == exits.DENIED
    assert found == dict.fromkeys(("provenance/signature", "provenance/reconciled-digest"), "status.artifact.revision")


def test_a_registry_that_is_away_is_undecided(check: Check) -> None:
    """Where the policy denies; where it only warns, so does the doubt."""
    away = pod(f"127.0.0.1:1/ci/app@sha256:{'0' * 64}")
    code, document = check(away, repositories=["127.0.0.1:1/**"])
    assert code == exits.DENIED
    assert document["findings"] == []
    assert "unreachable" in document["indeterminate"][0]["reason"]
    code, document = check(away, repositories=["127.0.0.1:1/**"], mode="warn")
    assert code == exits.CLEAN
    assert [(found["rule"], found["action"]) for found in document["findings"]] == [("provenance/undecided", "warn")]
