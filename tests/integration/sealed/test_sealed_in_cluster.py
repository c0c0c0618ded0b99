"""The controller's decisions against a real API server, with the CRD of the pinned sealed-secrets: what it makes of what is
written is recognised as in sync, and it takes what the decisions say.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import Api
from support.sealing import PLAINTEXT, encoded, sealing, secret
from support.tools import tool

from gateway_secrets.sealed.keyring import KeyRing, new_key, ring_of
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.reconcile import Action, decide, status_of
from gateway_secrets.sealed.scope import MANAGED, PATCH, Scope
from gateway_secrets.sealed.sealing import Sealing, seal_secret

SEALED = ("bitnami.com/v1alpha1", "SealedSecret")


@pytest.fixture
def ring(api: Api, namespace: str) -> KeyRing:
    """The keys as they are in the cluster: one that was made for it."""
    api.create(new_key(namespace, datetime.now(UTC), bits=2048))
    return ring_of(api.list("v1", "Secret", namespace)).ring


class Reconciler:
    """Does what is decided, and no more."""

    def __init__(self, api: Api, ring: KeyRing, namespace: str) -> None:
        self.api, self.ring, self.namespace = api, ring, namespace

    def seal(self, **values: str) -> Any:
        sealed = Secret("db", self.namespace, {key: value.encode() for key, value in values.items()})
        how = Sealing(self.ring.newest.certificate, datetime.now(UTC), notes=False)
        return seal_secret(sealed, Scope.STRICT, how).document

    def secret(self) -> Any:
        there = any(one["metadata"]["name"] == "db" for one in self.api.list("v1", "Secret", self.namespace))
        return self.api.get("v1", "Secret", self.namespace, "db") if there else None

    def once(self) -> Action:
        document = self.api.get(*SEALED, self.namespace, "db")
        decision = decide(document, self.ring, self.secret())
        if decision.action is Action.CREATE:
            self.api.create(decision.secret)
        elif decision.action is Action.UPDATE:
            self.api.replace(decision.secret)
        status = status_of(document, decision, datetime.now(UTC))
        if status is not None:
            self.api.replace(document | {"status": status}, subresource="status")
        return decision.action

    def condition(self) -> Any:
        (condition,) = self.api.get(*SEALED, self.namespace, "db")["status"]["conditions"]
        return condition


@pytest.fixture
def reconciler(api: Api, ring: KeyRing, namespace: str) -> Reconciler:
    return Reconciler(api, ring, namespace)


def test_from_sealed_to_secret_and_back_in_sync(reconciler: Reconciler) -> None:
    """Made, left alone, changed with its source, healed when somebody else changed or deleted it."""
    api = reconciler.api
    made = api.create(reconciler.seal(password=PLAINTEXT, user="bob"))
    assert reconciler.once() is Action.CREATE
    assert reconciler.secret()["data"] == {"password": encoded(PLAINTEXT.encode()), "user": encoded(b"bob")}
    assert reconciler.once() is Action.NONE
    assert (reconciler.condition()["status"], "message" in reconciler.condition()) == ("True", False)
    api.patch(reconciler.secret(), {"data": {"password": encoded(b"drift")}, "metadata": {"labels": {"a": "b"}}})
    assert [reconciler.once(), reconciler.once()] == [Action.UPDATE, Action.NONE]
    assert reconciler.secret()["data"]["password"] == encoded(PLAINTEXT.encode())
    api.replace(
        api.get(*SEALED, made["metadata"]["namespace"], "db") | {"spec": reconciler.seal(password="new")["spec"]}
    )
    assert [reconciler.once(), reconciler.once()] == [Action.UPDATE, Action.NONE]
    assert reconciler.secret()["data"] == {"password": encoded(b"new")}
    api.delete(reconciler.secret())
    assert [reconciler.once(), reconciler.once()] == [Action.CREATE, Action.NONE]


def test_what_kubeseal_made_is_unsealed(reconciler: Reconciler, tmp_path: Path) -> None:
    """With a key that was made here."""
    pem, text = tmp_path / "c.pem", tmp_path / "s.yaml"
    pem.write_bytes(reconciler.ring.newest.certificate.pem)
    plain = {"apiVersion": "v1", "kind": "Secret", "type": "example.com/x", "stringData": {"password": PLAINTEXT}}
    text.write_text(yaml.safe_dump(plain | {"metadata": {"name": "db", "namespace": reconciler.namespace}}))
    command = [tool("kubeseal"), "--cert", str(pem), "-f", str(text), "-o", "yaml"]
    reconciler.api.create(yaml.safe_load(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout))
    assert [reconciler.once(), reconciler.once()] == [Action.CREATE, Action.NONE]
    assert (reconciler.secret()["type"], list(reconciler.secret()["data"])) == ("example.com/x", ["password"])


@pytest.mark.parametrize("annotation", ["", MANAGED, PATCH])
def test_a_secret_that_was_there_before(reconciler: Reconciler, annotation: str) -> None:
    """Is left alone, taken over, or added to."""
    metadata = {
        "name": "db",
        "namespace": reconciler.namespace,
        "annotations": {annotation: "true"} if annotation else {},
    }
    reconciler.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"old": "AA=="}})
    reconciler.api.create(reconciler.seal(password=PLAINTEXT))
    first = reconciler.once()
    keys = set(reconciler.secret()["data"])
    if not annotation:
        assert (first, keys) == (Action.REFUSE, {"old"})
        assert "is not managed by this SealedSecret" in reconciler.condition()["message"]
    else:
        assert (first, reconciler.once()) == (Action.UPDATE, Action.NONE)
        assert keys == ({"password"} if annotation == MANAGED else {"old", "password"})


def test_what_no_key_opens_is_in_the_status(reconciler: Reconciler) -> None:
    """Without a value, and without a Secret."""
    document = seal_secret(secret("db", reconciler.namespace), Scope.STRICT, sealing("b", digests=None)).document
    reconciler.api.create(document)
    assert [reconciler.once(), reconciler.once()] == [Action.REFUSE, Action.REFUSE]
    assert (reconciler.condition()["status"], reconciler.secret()) == ("False", None)
    assert "password: no key opens it" in reconciler.condition()["message"]
