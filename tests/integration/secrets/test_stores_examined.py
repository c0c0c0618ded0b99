"""`govgate doctor` asks each configured store whether it answers: a real OpenBao, with the credentials of a real cluster."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml
from support.cluster import Cluster
from support.openbao import OpenBao
from support.users import ROOT

from gateway.config.model import Cluster as ClusterSettings
from gateway.core.finding import Finding, Severity
from gateway.doctor.stores import check_store
from gateway.kube import connect


def manifest(folder: Path, bao: OpenBao, key: str, **vault: Any) -> Path:
    provider = {"server": bao.url, "path": "kv", "auth": {"tokenSecretRef": {"name": "vault", "key": key}}, **vault}
    document = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "vault"},
        "spec": {"provider": {"vault": provider}},
    }
    file = folder / "store.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


async def test_stores_that_answer_and_those_that_do_not(bao: OpenBao, cluster: Cluster, namespace: str, tmp_path: Path):
    """A login and a question about nothing: no finding, in both versions of KV; a wrong token, and nobody there, are."""
    reader_token = str(bao.root.auth.token.create(policies=["reader"], ttl="1h")["auth"]["client_token"])
    data = {"good": reader_token, "wrong": "none-of-its-tokens"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "vault", "namespace": namespace},
        "data": encoded,
    }
    cluster.api(ROOT).create(secret)
    client = await connect(ClusterSettings(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT))))
    assert client is not None

    async def severities(key: str, **vault: Any) -> list[Severity]:
        results = await check_store("vault", manifest(tmp_path, bao, key, **vault), client, namespace)
        findings = [one for one in results if isinstance(one, Finding)]
        assert {one.rule for one in findings} <= {"doctor/store-unreachable"}
        assert not [one for one in findings if reader_token in one.message or "none-of-its-tokens" in one.message]
        return [one.severity for one in findings]

    try:
        assert await severities("good") == []
        assert await severities("good", path="kv1", version="v1") == []
        assert await severities("wrong") == [Severity.MEDIUM]
        assert await severities("absent") == [Severity.HIGH]
        assert await severities("good", server="http://127.0.0.1:1") == [Severity.HIGH]
    finally:
        await client.close()
