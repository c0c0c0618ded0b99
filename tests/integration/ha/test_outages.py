"""What a running gateway asks is gone, or hangs, while requests come: the guard's ``onError`` is what is answered.

What the parts do by themselves is stated elsewhere: a remote OPA in ``opa/test_opa_faults.py``, registries in
``provenance/test_provenance_guard.py``, stores of secrets, which no admission request asks, in
``secrets/test_store_failures.py``, the audit log and overload in ``server/test_server_requests.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.gateway import Gateway, eventually
from support.opa import OpaProcess
from support.registries import RealRegistry, push

pytestmark = [pytest.mark.native, pytest.mark.servers]

Json = dict[str, Any]
RULE = 'package main\n\nimport rego.v1\n\ndeny contains "unwanted" if input.data.unwanted\n'
RELOADED = 'govgate_config_reloads_total{result="success"}'
_names = count(1)


class Site:
    """A gateway, and what its guards ask: an OPA, a registry."""

    def __init__(self, folder: Path) -> None:
        self.opa = OpaProcess(folder).start()
        self.registry = RealRegistry(folder).start()
        rules = folder / "rules"
        rules.mkdir()
        (rules / "main.rego").write_text(RULE)
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        trust = {"name": "acme", "repositories": [f"{self.registry.host}/**"]}
        opa = {"url": self.opa.url, "breakerFailures": 2, "breakerSeconds": 0.2}
        (folder / "gateway-0").mkdir()
        self.gateway = Gateway(
            folder / "gateway-0",
            # Half of a request's time is left for its record: a busy machine takes some of it.
            settings={"limits": {"deadlineMarginSeconds": 5.0}},
            policy={"sources": [str(rules)], "engine": "opa", "opa": opa, "timeoutSeconds": 25.0},
            provenance={
                "policies": [{**trust, "authorities": [{"name": "release", "keys": [{"id": "1", "pem": pem}]}]}],
                "registries": [{"hosts": [self.registry.host], "plainHttp": True}],
                "timeoutSeconds": 25.0,
            },
        )
        self.gateway.start()

    def stop(self) -> None:
        self.gateway.kill()
        self.opa.kill()
        self.registry.stop()

    def on_error(self, choice: str) -> None:
        """Have both guards do that with what they cannot decide."""
        for guard in ("policy", "provenance"):
            self.gateway.config[guard]["onError"] = choice
        before = self.gateway.metric(RELOADED)
        self.gateway.write_config()
        eventually(lambda: self.gateway.metric(RELOADED) > before, seconds=60)

    def config_map(self, *, timeout: str = "30s") -> Json:
        """The answer about one that the rule denies."""
        return self._ask("policy", "", "ConfigMap", {"data": {"unwanted": "yes"}}, timeout)

    def artifact(self) -> Json:
        """The answer about one that nobody signed, never asked about before."""
        repository = f"acme/app-{next(_names)}"
        digest = f"sha256:{next(_names):064x}"
        with contextlib.suppress(OSError):  # the registry is gone: nobody can say what it holds
            digest = asyncio.run(push(self.registry.host, repository, "v1", {"a.yaml": repository.encode()}))
        spec = {"url": f"oci://{self.registry.host}/{repository}", "ref": {"digest": digest}}
        spec["verify"] = {"provider": "cosign", "secretRef": {"name": "key"}}
        return self._ask("provenance", "source.toolkit.fluxcd.io", "OCIRepository", {"spec": spec}, "30s")

    def _ask(self, guard: str, group: str, kind: str, content: Json, timeout: str) -> Json:
        version = f"{group}/v1" if group else "v1"
        item = {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "web"}, **content}
        request = {
            "uid": "u",
            "operation": "CREATE",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": f"{kind.lower()}s"},
            "namespace": "web",
            "name": "x",
            "userInfo": {"username": "alice"},
            "object": item,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        answer = self.gateway.ask(json.dumps(review).encode(), path=f"/v1/validate/{guard}?timeout={timeout}")
        assert answer.status == 200, answer.text
        response: Json = answer.json()["response"]
        return response


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    yield one
    one.stop()


def code(response: Json) -> int:
    """200 if it is allowed."""
    return 200 if response["allowed"] else int(response["status"]["code"])


CHOICES = {"deny": (503, False), "warn": (200, True), "allow": (200, False)}
"""By ``onError``: the code of the answer, and whether there is a warning."""


def said(response: Json) -> tuple[int, bool]:
    return code(response), bool(response.get("warnings"))


def test_what_is_gone_is_as_on_error_says(site: Site) -> None:
    """Refused as undecided, allowed with a warning, or allowed; and denied again, without a restart, once it is back."""
    workers = [worker.pid for worker in site.gateway.workers()]
    for choice, expected in CHOICES.items():
        site.on_error(choice)
        denied(site.config_map)
        denied(site.artifact)
        site.opa.kill()
        site.registry.stop()
        for ask in (site.config_map, site.artifact):
            for _ in range(3):
                response = ask()
                assert said(response) == expected, (choice, response)
                assert response["auditAnnotations"]["indeterminate"], response
        site.opa.start()
        site.registry.start()
    denied(site.config_map)
    denied(site.artifact)
    assert [worker.pid for worker in site.gateway.workers()] == workers


def denied(ask: Callable[[], Json]) -> None:
    """It is decided again, soon."""
    eventually(lambda: code(ask()) == 403, seconds=60)


def test_what_hangs_is_answered_at_the_deadline(site: Site) -> None:
    """The request's own: the API server gets a verdict in time, and not nothing. What comes later is decided again."""
    site.on_error("warn")
    denied(site.config_map)
    with site.opa.paused():
        response = site.config_map(timeout="6s")
    assert said(response) == CHOICES["warn"]
    assert response["auditAnnotations"]["indeterminate"]
    denied(site.config_map)
