"""What the controller decides about one SealedSecret, and how its keys come and go."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from support.sealing import (
    CANARY,
    NOW,
    certificate,
    certificate_pem,
    encoded,
    key_pem,
    key_secret,
    private_key,
    sealing,
    secret,
)

from gateway_secrets.sealed.errors import KeyFileError, NotNowError, SealError
from gateway_secrets.sealed.keyring import KeyRing, new_key, ring_of
from gateway_secrets.sealed.keys import key_of_secret
from gateway_secrets.sealed.reconcile import MARK, Action, Decision, decide, status_of
from gateway_secrets.sealed.scope import MANAGED, PATCH, SKIP_OWNER, Scope
from gateway_secrets.sealed.sealing import seal_secret

RING = ring_of([key_secret("a")]).ring
OWNER = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "db", "uid": "u-1", "controller": True}


def sealed(scope: Scope = Scope.STRICT, key: str = "a", **values: str) -> Any:
    """A SealedSecret as the API server has it."""
    document = seal_secret(secret(**values), scope, sealing(key, digests=None)).document
    document["metadata"] |= {"uid": "u-1", "generation": 1}
    return document


def stored(made: Any, **metadata: Any) -> Any:
    """A Secret as the API server has it once it was written."""
    document = copy.deepcopy(made)
    document["metadata"] |= {"uid": "s-1", "resourceVersion": "7", **metadata}
    return document


def foreign(annotations: dict[str, str] | None = None, **fields: Any) -> Any:
    """A Secret that somebody else made."""
    metadata = {"name": "db", "namespace": "web", "annotations": annotations or {}, "labels": {"theirs": "1"}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": {"old": "AA=="},
    } | fields


def test_a_secret_is_made() -> None:
    """With its values, and owned by the SealedSecret, so that it goes with it."""
    decision = decide(sealed(password=CANARY), RING, None)
    assert decision.action is Action.CREATE
    assert decision.secret is not None
    assert decision.secret["data"] == {"password": encoded(CANARY.encode())}
    assert decision.secret["metadata"]["ownerReferences"] == [OWNER]
    assert decision.secret["type"] == "Opaque"


def newer(name: str) -> Any:
    """A key Secret whose certificate begins later than the others'."""
    pair = {"tls.crt": encoded(certificate_pem(name, since=NOW)), "tls.key": encoded(key_pem(name))}
    return key_secret(name) | {"data": pair}


def test_what_is_in_sync_is_not_even_opened() -> None:
    """The mark on the Secret is enough: it says so where no key could open the values any more."""
    document = sealed(password=CANARY)
    made = stored(decide(document, ring_of([key_secret("a"), newer("b")]).ring, None).secret)
    without = ring_of([newer("b")]).ring
    assert decide(document, without, made).action is Action.NONE
    del made["metadata"]["annotations"][MARK]
    assert decide(document, without, made).action is Action.REFUSE


@pytest.mark.parametrize("field", ["data", "labels", "annotations", "ownerReferences"])
def test_drift_is_healed(field: str) -> None:
    """Whatever somebody changed of what is ours."""
    document = sealed(password=CANARY)
    made = stored(decide(document, RING, None).secret)
    changed = copy.deepcopy(made)
    if field == "data":
        changed["data"] = {"password": encoded(b"x"), "more": "AA=="}
    elif field == "ownerReferences":
        changed["metadata"][field].append({"kind": "Other", "uid": "x"})
    else:
        changed["metadata"].setdefault(field, {})["drift"] = "1"
    decision = decide(document, RING, changed)
    assert (decision.action, decision.secret) == (Action.UPDATE, made)


def test_a_changed_sealed_secret_changes_the_secret() -> None:
    """Another value, a key that is gone."""
    made = stored(decide(sealed(a="1", b="2"), RING, None).secret)
    decision = decide(sealed(a="3"), RING, made)
    assert decision.action is Action.UPDATE
    assert decision.secret is not None
    assert decision.secret["data"] == {"a": encoded(b"3")}


def test_a_mark_cannot_be_forged_without_a_key() -> None:
    """Nor copied from another state."""
    document = sealed(password=CANARY)
    made = stored(decide(document, RING, None).secret)
    made["data"]["password"] = encoded(b"evil")
    for mark in (made["metadata"]["annotations"][MARK], "", ".", f"{certificate().fingerprint[:16]}.", "x.y"):
        made["metadata"]["annotations"][MARK] = mark
        assert decide(document, RING, made).action is Action.UPDATE


def test_a_renewed_key_leaves_marks_good() -> None:
    """As long as the former key is there."""
    document = sealed()
    made = stored(decide(document, RING, None).secret)
    renewed = ring_of([newer("b"), key_secret("a")]).ring
    assert decide(document, renewed, made).action is Action.NONE
    assert decide(document, ring_of([key_secret("b")]).ring, made).action is Action.REFUSE


def test_foreign_secrets_are_not_written_over() -> None:
    """Unless they say that they may be."""
    document = sealed(password=CANARY)
    assert decide(document, RING, foreign()).action is Action.REFUSE
    other = foreign() | {"metadata": foreign()["metadata"] | {"ownerReferences": [OWNER | {"uid": "u-2"}]}}
    assert decide(document, RING, other).action is Action.REFUSE
    nobodys = foreign() | {"metadata": foreign()["metadata"] | {"ownerReferences": [OWNER | {"uid": ""}]}}
    del document["metadata"]["uid"]
    assert decide(document, RING, nobodys).action is Action.REFUSE
    document["metadata"]["uid"] = "u-1"
    managed = decide(document, RING, foreign({MANAGED: "true"})).secret
    assert managed is not None
    assert (set(managed["data"]), managed["metadata"]["ownerReferences"]) == ({"password"}, [OWNER])
    assert "labels" not in managed["metadata"]


@pytest.mark.parametrize("managed", [True, False])
def test_patching_keeps_what_is_not_stated(managed: bool) -> None:
    """The Secret's other values and labels; it is owned only if it is managed too."""
    annotations = {PATCH: "true"} | ({MANAGED: "true"} if managed else {})
    patched = decide(sealed(password=CANARY), RING, foreign(annotations)).secret
    assert patched is not None
    assert set(patched["data"]) == {"old", "password"}
    assert patched["metadata"]["labels"] == {"theirs": "1"}
    assert ("ownerReferences" in patched["metadata"]) is managed
    document = sealed(password=CANARY)
    once = stored(decide(document, RING, foreign(annotations)).secret)
    assert decide(document, RING, once).action is Action.NONE


def test_the_owner_can_be_left_out() -> None:
    """By an annotation of the template."""
    document = sealed()
    document["spec"]["template"]["metadata"]["annotations"] = {SKIP_OWNER: "true"}
    made = decide(document, RING, None).secret
    assert made is not None
    assert "ownerReferences" not in made["metadata"]


def test_what_the_api_server_would_refuse_is_refused() -> None:
    """With what can be done: another type, an immutable Secret."""
    document = sealed(password=CANARY)
    typed = decide(document, RING, foreign({MANAGED: "true"}, type="kubernetes.io/tls"))
    assert (typed.action, "another type" in typed.problem) == (Action.REFUSE, True)
    frozen = decide(document, RING, foreign({MANAGED: "true"}, immutable=True))
    assert (frozen.action, "is immutable" in frozen.problem) == (Action.REFUSE, True)
    document["spec"]["template"]["immutable"] = True
    made = stored(decide(document, RING, None).secret)
    assert decide(document, RING, made).action is Action.NONE


def test_templates_are_filled_in_by_who_can() -> None:
    """And refused otherwise: half a Secret is none."""
    document = sealed(a="1")
    document["spec"]["template"]["data"] = {"url": "x{{ .a }}", "plain": "p"}
    refused = decide(document, RING, None)
    assert (refused.action, "templates are not filled in here" in refused.problem) == (Action.REFUSE, True)
    made = decide(document, RING, None, lambda texts, values: dict.fromkeys(texts, values["a"])).secret
    assert made is not None
    assert made["data"] == {"a": encoded(b"1"), "url": encoded(b"1"), "plain": encoded(b"p")}

    def fails(_texts: object, _values: object) -> dict[str, bytes]:
        raise SealError("a template is wrong")

    decision = decide(document, RING, None, fails)
    assert (decision.problem, decision.again) == ("a template is wrong", False)


def test_a_template_that_could_not_be_rendered_comes_again() -> None:
    """Unlike one that is wrong: memory or time was short, which may pass."""
    document = sealed(a="1")
    document["spec"]["template"]["data"] = {"url": "{{ .a }}"}

    def fails(_texts: object, _values: object) -> dict[str, bytes]:
        raise NotNowError("takes too long")

    decision = decide(document, RING, None, fails)
    assert (decision.action, decision.problem, decision.again) == (Action.REFUSE, "takes too long", True)


def test_what_templates_see() -> None:
    """Sealed values, those that the template leaves out too; texts of the template as they stand, unless their key is
    sealed. One of a sealed key is filled in all the same, as Bitnami's controller does, and not used.
    """
    document = sealed(a="1", b="2")
    document["spec"]["template"]["data"] = {"a": "{{ .b }}", "b": None, "c": "{{ .a }}", "d": "plain"}
    seen = []

    def fill(texts: dict[str, str], values: dict[str, bytes]) -> dict[str, bytes]:
        seen.append((texts, values))
        return dict.fromkeys(texts, b"made")

    made = decide(document, RING, None, fill).secret
    values = {"a": b"1", "b": b"2", "c": b"{{ .a }}", "d": b"plain"}
    assert seen == [({"a": "{{ .b }}", "c": "{{ .a }}"}, values)]
    assert made is not None
    assert made["data"] == {"a": encoded(b"1"), "c": encoded(b"made"), "d": encoded(b"plain")}


@pytest.mark.parametrize(
    "change",
    [{"encryptedData": {"a": "?"}}, {"encryptedData": {"a": 1}}, {"data": "AA=="}, {"template": []}],
)
def test_what_is_wrong_is_refused_without_a_value(change: Any) -> None:
    """It is in the status, for everybody to read."""
    document = sealed(password=CANARY)
    document["spec"] |= change
    decision = decide(document, RING, None)
    assert decision.action is Action.REFUSE
    assert decision.problem
    assert CANARY not in repr(decision)


def test_the_status_says_it_once() -> None:
    """When it changes, or the object did; the time of the transition stays otherwise."""
    document = sealed()
    first = status_of(document, Decision(Action.CREATE), NOW)
    assert first == {
        "observedGeneration": 1,
        "conditions": [
            {"type": "Synced", "status": "True", "lastUpdateTime": "2026-11-26T12:00:00Z",
             "lastTransitionTime": "2026-11-26T12:00:00Z"},
        ],
    }  # fmt: skip
    document["status"] = first
    later = NOW + timedelta(hours=1)
    assert status_of(document, Decision(Action.NONE), later) is None
    document["metadata"]["generation"] = 2
    second = status_of(document, Decision(Action.NONE), later)
    assert second is not None
    assert second["conditions"][0] | {"lastUpdateTime": ""} == first["conditions"][0] | {"lastUpdateTime": ""}
    failed = status_of(document, Decision(Action.REFUSE, problem="why"), later)
    assert failed is not None
    (condition,) = failed["conditions"]
    assert (condition["status"], condition["message"]) == ("False", "why")
    assert condition["lastTransitionTime"] == "2026-11-26T13:00:00Z"
    document["status"] = failed
    assert status_of(document, Decision(Action.REFUSE, problem="why"), later) is None


def test_the_newest_key_is_first() -> None:
    """By its certificate; what is no key of the controller's is left out, one that is broken is said."""
    broken = key_secret("c") | {"data": {"tls.key": "AAAA", "tls.crt": ""}}
    mixed = key_secret("d") | {"data": key_secret("a")["data"] | {"tls.key": encoded(key_pem("b"))}}
    other = key_secret("e")
    other["metadata"] |= {"labels": {}}
    legacy = key_secret("a")
    legacy["metadata"] |= {"labels": {}, "name": "sealed-secrets-key"}
    found = ring_of([legacy, other, newer("b"), broken, mixed])
    keys = [pair.private.public_key() for pair in found.ring.pairs]
    assert keys == [private_key("b").public_key(), private_key("a").public_key()]
    assert [problem.split(":")[0] for problem in found.problems] == [
        "Secret sealed-secrets-key-c", "Secret sealed-secrets-key-d",
    ]  # fmt: skip
    assert "BEGIN" not in repr(found)


def test_when_a_new_key_is_due() -> None:
    """When there is none; when the newest is old; never, if renewal is off."""
    assert KeyRing(()).due(NOW)
    assert RING.due(NOW)
    assert not RING.due(NOW, timedelta(days=31))
    assert not RING.due(NOW, timedelta())
    with pytest.raises(KeyFileError, match="no sealing key yet"):
        _ = KeyRing(()).newest


def test_a_new_key_is_one_that_bitnamis_controller_takes() -> None:
    """A TLS Secret with the label, a certificate signed by its own key, good for ten years."""
    made = new_key("kube-system", NOW, bits=2048)
    assert made["metadata"] == {
        "namespace": "kube-system", "generateName": "sealed-secrets-key",
        "labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"},
    }  # fmt: skip
    key, found = key_of_secret(made, source="new")
    assert key.public_key() == found.public_key
    assert found.not_after - NOW == timedelta(days=3650)
    parsed = x509.load_pem_x509_certificate(found.pem)
    parsed.verify_directly_issued_by(parsed)
    assert parsed.extensions.get_extension_for_class(x509.KeyUsage).value.encipher_only
    assert ring_of([made]).ring.pairs
