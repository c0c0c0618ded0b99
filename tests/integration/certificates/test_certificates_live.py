"""The controller keeps the webhook's certificates, in Secrets and registrations of a real API server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from support.api import Api, ApiError
from support.charts import of_kind, rendered
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.users import ROOT

from gateway.core.certificates import issued_by, names_of, read_pair

Json = dict[str, Any]
ELECTION = {"enabled": False}


@pytest.fixture
def registration(cluster: Cluster, namespace: str) -> Iterator[Json]:
    """The chart's, but for what it is asked about: nothing, since nobody answers."""
    document = of_kind(rendered(release="gg", namespace=namespace), "ValidatingWebhookConfiguration")
    document["metadata"]["name"] = f"{namespace}-gg"
    for webhook in document["webhooks"]:
        webhook["matchConditions"].append({"name": "never", "expression": "false"})
    root = cluster.api(ROOT)
    yield root.create(document)
    root.delete(document, missing_ok=True)


@pytest.fixture
def controller(cluster: Cluster, namespace: str, tmp_path: Path, registration: Json) -> Iterator[ControllerProcess]:
    """One that has nothing else to do."""
    names = {"serviceName": "gg-govgate", "webhookConfigurations": [registration["metadata"]["name"]]}
    one = ControllerProcess(
        tmp_path / "controller",
        cluster={"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT)), "ownNamespace": namespace},
        controller={"certificates": {"enabled": True, **names}, "scan": {"enabled": False}, "election": ELECTION},
        policy={"sources": []},
    )
    one.start()
    yield one
    one.kill()


def data(root: Api, namespace: str, name: str) -> dict[str, bytes]:
    try:
        secret = root.get("v1", "Secret", namespace, name)
    except ApiError:
        return {}
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


def bundles(root: Api, registration: Json) -> set[str]:
    found = root.get("admissionregistration.k8s.io/v1", registration["kind"], "", registration["metadata"]["name"])
    return {webhook["clientConfig"].get("caBundle", "") for webhook in found["webhooks"]}


def settled(root: Api, namespace: str, registration: Json) -> bool:
    serving = data(root, namespace, "govgate-tls")
    pair = read_pair(serving.get("tls.crt", b""), serving.get("tls.key", b""))
    return pair is not None and any(issued_by(pair.certificate, one) for one in believed(root, registration))


def believed(root: Api, registration: Json) -> list[x509.Certificate]:
    (bundle,) = bundles(root, registration)
    return x509.load_pem_x509_certificates(base64.b64decode(bundle)) if bundle else []


def test_from_nothing_to_trust(cluster: Cluster, namespace: str, registration: Json, controller: ControllerProcess):
    """Authority, certificate, and a registration that believes it; the key of the authority stays by itself."""
    root = cluster.api(ROOT)
    wait_for(lambda: settled(root, namespace, registration), seconds=60)
    serving = data(root, namespace, "govgate-tls")
    assert set(serving) == {"tls.crt", "tls.key", "ca.crt"}
    assert f"gg-govgate.{namespace}.svc" in names_of(x509.load_pem_x509_certificate(serving["tls.crt"]))
    assert data(root, namespace, "govgate-tls-authority")["tls.key"] != serving["tls.key"]
    assert controller.metric('govgate_certificates_expiry_timestamp_seconds{certificate="serving"}') > 0
    text = controller.log.read_text()
    assert "PRIVATE KEY" not in text
    controller.stop()

    # What is lost or spoilt comes back by the authority that is believed already.
    before = bundles(root, registration)
    spoilt = root.get("v1", "Secret", namespace, "govgate-tls")
    root.replace({**spoilt, "data": {**spoilt["data"], "tls.key": base64.b64encode(b"junk").decode()}})
    controller.start()
    wait_for(lambda: settled(root, namespace, registration), seconds=60)
    assert bundles(root, registration) == before
    controller.stop()

    # A spoilt authority is told of and left.
    authority = root.get("v1", "Secret", namespace, "govgate-tls-authority")
    root.replace({**authority, "data": {**authority["data"], "tls.key": base64.b64encode(b"junk").decode()}})
    controller.start()
    wait_for(lambda: "holds no authority" in controller.get("/readyz?verbose")[1], seconds=60)
    assert data(root, namespace, "govgate-tls-authority")["tls.key"] == b"junk"
    assert settled(root, namespace, registration)
    controller.stop()

    # A lost one is made anew, and the one before is still believed.
    root.delete(authority)
    controller.start()
    wait_for(lambda: bundles(root, registration) != before and settled(root, namespace, registration), seconds=60)
    known = x509.load_pem_x509_certificates(data(root, namespace, "govgate-tls")["ca.crt"])
    assert len(believed(root, registration)) == 2
    assert known[0] in believed(root, registration)


def test_a_registration_that_is_not_there_is_told_of(
    cluster: Cluster, namespace: str, registration: Json, controller: ControllerProcess
):
    """The certificates are kept all the same; nobody can ask, and that is said."""
    root = cluster.api(ROOT)
    wait_for(lambda: settled(root, namespace, registration), seconds=60)
    controller.stop()
    root.delete(registration)
    controller.start()
    wait_for(lambda: "nothing is asked of govgate" in controller.get("/readyz?verbose")[1], seconds=60)
