"""What `govgate seal validate` finds, rule by rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.sealing import CANARY, NOW, certificate, read_sealed, sealing, secret

from gateway.core.finding import Action
from gateway_secrets.sealed.checks import Facts, check_sealed
from gateway_secrets.sealed.records import CERTIFICATES, DIGESTS
from gateway_secrets.sealed.scope import CLUSTER_WIDE, NAMESPACE_WIDE, Scope
from gateway_secrets.sealed.sealing import seal_secret

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def made(scope: Scope = Scope.STRICT, **values: str) -> Any:
    return seal_secret(secret(**values), scope, sealing()).document


def found(document: Any, **facts: Any) -> dict[str, list[str]]:
    """The fields by rule."""
    by: dict[str, list[str]] = {}
    for finding in check_sealed(read_sealed(document), Facts(NOW, **facts)):
        by.setdefault(finding.rule, []).append(finding.field)
        assert CANARY not in finding.message
    return by


@pytest.mark.parametrize("scope", list(Scope))
def test_what_was_just_sealed_is_right(scope: Scope) -> None:
    """In each scope, also for the certificate that it was sealed with."""
    assert found(made(scope, a="1", b="2")) == {}
    assert found(made(scope), certificates=frozenset((certificate().fingerprint,)), opened={"password": True}) == {}


@pytest.mark.parametrize("value", ["", "c2VjcmV0", "AgB" + "A" * 80, CANARY, "AQ" + "A" * 20])
def test_a_value_that_is_no_sealed_one_is_denied(value: str) -> None:
    """Plaintext in base64 for one: it has been seen in Git."""
    document = made(a="1")
    document["spec"]["encryptedData"] |= {"tls.key": value}
    assert found(document) == {"sealed/structure": ['spec.encryptedData["tls.key"]']}


def test_names_are_checked() -> None:
    """Of the object, its namespace and its keys."""
    document = made(a="1")
    document["metadata"] |= {"name": "Db", "namespace": "a.b"}
    document["spec"]["encryptedData"]["b c"] = document["spec"]["encryptedData"]["a"]
    fields = found(document)["sealed/name"]
    assert fields == ["metadata.name", "metadata.namespace", 'spec.encryptedData["b c"]']


def test_the_place_is_checked() -> None:
    """It is stated where the scope needs it, and its template says the same."""
    document = made()
    del document["metadata"]["namespace"]
    document["spec"]["template"]["metadata"]["name"] = "other"
    assert found(document)["sealed/place"] == [
        "metadata.namespace", "spec.template.metadata.name", "spec.template.metadata.namespace",
    ]  # fmt: skip
    wide = made(Scope.CLUSTER_WIDE)
    del wide["metadata"]["namespace"], wide["spec"]["template"]["metadata"]["namespace"]
    assert found(wide) == {}


def test_scopes_are_checked() -> None:
    """Two at once, one that is not stated as it must be, one that its template contradicts."""
    twice = made(Scope.CLUSTER_WIDE)
    twice["metadata"]["annotations"][NAMESPACE_WIDE] = "true"
    assert found(twice) == {"sealed/scope": ["metadata.annotations"]}
    misspelt = made()
    misspelt["metadata"]["annotations"][CLUSTER_WIDE] = "True"
    assert found(misspelt) == {"sealed/scope": [f'metadata.annotations["{CLUSTER_WIDE}"]']}
    other = made()
    other["spec"]["template"]["metadata"]["annotations"] = {CLUSTER_WIDE: "true"}
    assert found(other) == {"sealed/scope": ["spec.template.metadata.annotations"]}


def test_a_copy_of_the_secret_is_denied() -> None:
    """In either metadata: kubectl writes one into what it applies."""
    document = made()
    document["metadata"]["annotations"][LAST_APPLIED] = CANARY
    document["spec"]["template"]["metadata"]["annotations"] = {LAST_APPLIED: CANARY}
    assert found(document)["sealed/plain-copy"] == [
        f'metadata.annotations["{LAST_APPLIED}"]', f'spec.template.metadata.annotations["{LAST_APPLIED}"]',
    ]  # fmt: skip


def test_notes_are_checked() -> None:
    """In the wrong place, unreadable, or of another value."""
    document = made(a="1", b="2")
    document["spec"]["template"]["metadata"]["annotations"] = {DIGESTS: "{}"}
    document["spec"]["encryptedData"]["a"] = document["spec"]["encryptedData"]["b"]
    fields = found(document)["sealed/notes"]
    assert fields == [f'spec.template.metadata.annotations["{DIGESTS}"]', "spec.encryptedData.a"]
    document = made()
    document["metadata"]["annotations"][CERTIFICATES] = "{"
    assert found(document) == {"sealed/notes": ["metadata.annotations"]}


def test_expiry_is_warned_of() -> None:
    """Once it is near, and once it is past: the controller can open it all the same."""
    document = made()
    check = {"sealed/expires": ["spec.encryptedData.password"]}
    assert found(document, days=4000) == check
    late = check_sealed(read_sealed(document), Facts(NOW + timedelta(days=4000)))
    assert [(one.rule, one.action) for one in late] == [("sealed/expired", Action.WARN)]


def test_another_certificate_is_denied() -> None:
    """So is a value of which nothing is noted: nobody knows."""
    others = frozenset((certificate("b").fingerprint,))
    assert found(made(), certificates=others) == {"sealed/certificate": ["spec.encryptedData.password"]}
    unknown = made()
    del unknown["metadata"]["annotations"]
    mine = frozenset((certificate("a").fingerprint,))
    assert found(unknown, certificates=mine) == {"sealed/certificate": ["spec.encryptedData.password"]}


def test_what_the_keys_do_not_open_is_denied() -> None:
    """Each value by itself."""
    document = made(a="1", b="2")
    assert found(document, opened={"a": True, "b": False}) == {"sealed/opens": ["spec.encryptedData.b"]}


def test_what_was_moved_is_found() -> None:
    """By the note: another name or namespace, or another scope; a value that another tool wrote says nothing."""
    document = made(a="1", b="2")
    document["metadata"]["name"] = "other"
    assert found(document)["sealed/elsewhere"] == ["spec.encryptedData.a", "spec.encryptedData.b"]
    document["spec"]["encryptedData"]["b"] = made(b="2")["spec"]["encryptedData"]["b"]
    assert found(document)["sealed/elsewhere"] == ["spec.encryptedData.a"]
    wide = made()
    wide["metadata"]["annotations"][CLUSTER_WIDE] = "true"
    assert "sealed/elsewhere" in found(wide)
    nowhere = made()
    del nowhere["metadata"]["namespace"]
    assert "sealed/elsewhere" not in found(nowhere)
