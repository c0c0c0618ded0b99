"""``govgate scan``: what a cluster runs is verified as it stands, by the policies and keys that are good now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster
from support.cosign import Cosign
from support.registries import RealRegistry, push
from support.users import ROOT

from gateway.cli.app import run

pytestmark = [pytest.mark.servers, pytest.mark.native]
Json = dict[str, Any]
FLUX = "source.toolkit.fluxcd.io/v1"


@pytest.fixture
def scan(
    *, cluster: Cluster, registry: RealRegistry, cosign: Cosign, namespace: str, tmp_path: Path, capsys: Any
) -> Callable[..., list[Json]]:
    """The findings about artifacts in the test's namespace."""

    def call(**key: str) -> list[Json]:
        authority = {"name": "release", "keys": [{"file": str(cosign.key), **key}]}
        trust = {"name": "scan", "repositories": [f"{registry.host}/scan/**"], "authorities": [authority]}
        config = {
            "policy": {"sources": ["builtin:gitops"]},
            "controller": {"scan": {"requestsPerSecond": 1000, "burst": 1000}},
            "provenance": {"policies": [trust], "registries": [{"hosts": [registry.host], "plainHttp": True}]},
        }
        (tmp_path / "govgate.yaml").write_text(json.dumps(config))
        options = ["--config", str(tmp_path / "govgate.yaml"), "--kubeconfig", str(cluster.kubeconfig(ROOT))]
        run(["scan", *options, "--namespace", namespace, "-o", "json"])
        found = json.loads(capsys.readouterr().out)["findings"]
        return [finding for finding in found if finding["rule"].startswith("provenance/")]

    return call


def test_what_runs_is_verified_as_it_stands(
    cluster: Cluster, registry: RealRegistry, cosign: Cosign, namespace: str, scan: Callable[..., list[Json]]
) -> None:
    """What Flux reports as fetched, also where its source names something else; and all of it when a key is revoked."""
    root = cluster.api(ROOT)
    signed, unsigned = (
        asyncio.run(push(registry.host, "scan/app", tag, {"a": tag.encode()})) for tag in ("good", "bad")
    )
    cosign.sign(f"{registry.host}/scan/app@{signed}")
    spec = {
        "url": f"oci://{registry.host}/scan/app",
        "ref": {"digest": signed},
        "verify": {"provider": "cosign", "secretRef": {"name": "key"}},
    }
    source = {
        "apiVersion": FLUX,
        "kind": "OCIRepository",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": spec,
    }
    root.create(source)
    root.patch(source, {"status": {"artifact": {"revision": f"bad@{unsigned}"}}}, subresource="status")
    found = {finding["rule"]: finding["field"] for finding in scan()}
    assert found == dict.fromkeys(("provenance/signature", "provenance/reconciled-digest"), "status.artifact.revision")
    root.patch(source, {"status": {"artifact": {"revision": f"good@{signed}"}}}, subresource="status")
    assert scan() == []
    revoked = scan(revokedAt="2026-01-01T00:00:00Z")
    assert {finding["field"] for finding in revoked} == {"spec.ref.digest", "status.artifact.revision"}
    assert all("revoked" in finding["message"] for finding in revoked)


def test_a_chart_whose_repository_moved_is_found(
    cluster: Cluster, registry: RealRegistry, cosign: Cosign, namespace: str, scan: Callable[..., list[Json]]
) -> None:
    """Wherever the two requests met: a chart that was admitted by the old URL while the new one was admitted without it."""
    root = cluster.api(ROOT)
    for where in ("old", "new"):
        digest = asyncio.run(push(registry.host, f"scan/{where}/app", "1.0.0", {"a": where.encode()}))
        if where == "old":
            cosign.sign(f"{registry.host}/scan/old/app@{digest}")
    metadata = {"name": "moving", "namespace": namespace}
    repository = {
        "apiVersion": FLUX,
        "kind": "HelmRepository",
        "metadata": metadata,
        "spec": {"type": "oci", "url": f"oci://{registry.host}/scan/old"},
    }
    source = {"kind": "HelmRepository", "name": "moving"}
    spec = {"chart": "app", "version": "1.0.0", "sourceRef": source, "verify": {"secretRef": {"name": "key"}}}
    root.create(repository)
    root.create({"apiVersion": FLUX, "kind": "HelmChart", "metadata": metadata, "spec": spec})
    assert {finding["rule"] for finding in scan()} <= {"provenance/mutable-reference"}
    root.patch(repository, {"spec": {"url": f"oci://{registry.host}/scan/new"}})
    found = [finding for finding in scan() if finding["rule"] == "provenance/signature"]
    assert {finding["resource"]["kind"] for finding in found} == {"HelmChart", "HelmRepository"}
    assert all(f"{registry.host}/scan/new/app:1.0.0" in finding["message"] for finding in found)
