"""Secrets and SealedSecrets as objects: what goes into a SealedSecret, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sealing import CANARY, encoded, private_key, read_sealed, read_secret, sealing, secret, secret_document

from gateway_secrets.sealed.errors import InputError, MalformedBlobError, UnsealError
from gateway_secrets.sealed.objects import MAX_SECRET_BYTES, Secret, check_secret
from gateway_secrets.sealed.scope import CLUSTER_WIDE, NAMESPACE_WIDE, Scope, label_of, scope_of, with_scope
from gateway_secrets.sealed.sealing import recovered, reencrypt, seal_secret, unseal_values

KEYS = st.from_regex(r"\A[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,40}\Z")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@given(st.dictionaries(KEYS, st.binary(max_size=500), min_size=1, max_size=4), st.sampled_from(Scope))
def test_a_sealed_secret_opens_with_the_key(values: dict[str, bytes], scope: Scope) -> None:
    """Any bytes under any key, in each scope."""
    made = read_sealed(seal_secret(Secret("db", "web", values), scope, sealing()).document)
    assert made.scope is scope
    assert unseal_values(made, [private_key("b"), private_key()]) == values


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        (Scope.STRICT, {("web", "db")}),
        (Scope.NAMESPACE_WIDE, {("web", "db"), ("web", "x")}),
        (Scope.CLUSTER_WIDE, {("web", "db"), ("web", "x"), ("shop", "db")}),
    ],
)
def test_it_opens_where_its_scope_says(scope: Scope, opens: set[tuple[str, str]]) -> None:
    """Renamed, or in another namespace: only if the scope allows it."""
    made = seal_secret(secret(), scope, sealing()).document
    for namespace, name in (("web", "db"), ("web", "x"), ("shop", "db")):
        moved = read_sealed(made | {"metadata": made["metadata"] | {"namespace": namespace, "name": name}})
        if (namespace, name) in opens:
            assert unseal_values(moved, [private_key()])
        else:
            with pytest.raises(UnsealError, match="password"):
                unseal_values(moved, [private_key()])


def test_the_scope_is_the_objects_own_not_its_templates() -> None:
    """A template that claims a wider scope opens nothing more."""
    made = seal_secret(secret(), Scope.STRICT, sealing()).document
    made["spec"]["template"]["metadata"]["annotations"] = {CLUSTER_WIDE: "true"}
    made["metadata"]["name"] = "other"
    with pytest.raises(UnsealError):
        unseal_values(read_sealed(made), [private_key()])


def test_cluster_wide_beats_namespace_wide() -> None:
    """And only "true" counts."""
    assert scope_of({CLUSTER_WIDE: "true", NAMESPACE_WIDE: "true"}) is Scope.CLUSTER_WIDE
    assert scope_of({CLUSTER_WIDE: "True", NAMESPACE_WIDE: "true"}) is Scope.NAMESPACE_WIDE
    assert scope_of({CLUSTER_WIDE: "1"}) is Scope.STRICT
    assert with_scope({CLUSTER_WIDE: "true", "a": "b"}, Scope.NAMESPACE_WIDE) == {"a": "b", NAMESPACE_WIDE: "true"}
    assert [label_of(scope, "ns", "n") for scope in Scope] == [b"ns/n", b"ns", b""]


def test_string_data_wins_over_data() -> None:
    """As the API server does it; base64 may be folded, null is empty."""
    document = secret_document(a="plain", e="") | {
        "data": {"a": encoded(b"other"), "b": "AAEC\n/w==", "c": None, "d": ""}
    }
    assert read_secret(document).values == {"a": b"plain", "b": b"\0\1\2\xff", "c": b"", "d": b"", "e": b""}


def test_what_the_server_adds_is_left_out() -> None:
    """So are annotations that hold the Secret once more; labels, type and immutable go into the template."""
    document = secret_document() | {"type": "kubernetes.io/basic-auth", "immutable": True}
    document["metadata"] |= {
        "uid": "u", "resourceVersion": "1", "creationTimestamp": None, "managedFields": [{}], "generation": 1,
        "ownerReferences": [{"name": "x"}], "selfLink": "/x", "labels": {"app": "db"},
        "annotations": {LAST_APPLIED: CANARY, "note": "kept"},
    }  # fmt: skip
    made = seal_secret(read_secret(document), Scope.STRICT, sealing(digests=None)).document
    assert CANARY not in str(made)
    metadata = {"name": "db", "namespace": "web", "labels": {"app": "db"}, "annotations": {"note": "kept"}}
    assert made["spec"]["template"] == {"metadata": metadata, "type": "kubernetes.io/basic-auth", "immutable": True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "ConfigMap"}, "is a ConfigMap, not a Secret"),
        ({"kind": "SealedSecret"}, "is sealed already"),
        ({"stringData": {"port": 5432}}, "stringData.port is no text: put it in quotes"),
        ({"stringData": [CANARY]}, "stringData is no mapping"),
        ({"data": {"x": CANARY}}, "data.x is no base64"),
        ({"data": {"x": ["a"]}}, "data.x is no text"),
        ({"metadata": {"name": 1}}, "metadata.name is no text"),
        ({"metadata": {"name": "db", "labels": {"a": True}}}, "labels.a is no text"),
        ({"immutable": "yes"}, "immutable must be true or false"),
    ],
)
def test_what_is_no_secret_is_refused(change: dict, said: str) -> None:
    """With the path of what is wrong, and without any value."""
    with pytest.raises(InputError) as raised:
        read_secret(secret_document() | change)
    assert said in str(raised.value)
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize("key", ["a b", "ü", "", ".", "..", "..a", "a/b", "x" * 254, "a\nb"])
def test_keys_that_no_secret_can_have_are_refused(key: str) -> None:
    """The cluster would refuse them, after the merge."""
    with pytest.raises(InputError, match="cannot be a key"):
        check_secret(Secret("db", "web", {key: b"x"}), where="test")


@pytest.mark.parametrize("key", [".env", "a.b", "-", "_", "1e3", "yes", "null", "x" * 253])
def test_odd_keys_are_keys(key: str) -> None:
    """Odd to YAML, not to Kubernetes."""
    check_secret(Secret("db", "web", {key: b"x"}), where="test")


def test_more_than_a_secret_may_hold_is_refused() -> None:
    """All values together."""
    half = bytes(MAX_SECRET_BYTES // 2)
    check_secret(Secret("db", "web", {"a": half, "b": half}), where="test")
    with pytest.raises(InputError, match="a Secret may hold 1,048,576"):
        check_secret(Secret("db", "web", {"a": half, "b": half + b"x"}), where="test")
    with pytest.raises(InputError, match="has values of 10,485,760 bytes"):
        check_secret(Secret("db", "web", {"a": bytes(10 * 1024 * 1024)}), where="test")


@pytest.mark.parametrize(("name", "namespace"), [("", "web"), ("Db", "web"), ("a" * 254, "web"), ("db", "a.b")])
def test_names_are_dns_names(name: str, namespace: str) -> None:
    """Of the Secret, and of its namespace."""
    with pytest.raises(InputError):
        check_secret(Secret(name, namespace, {"a": b""}), where="test")


def test_all_values_that_do_not_open_are_named() -> None:
    """And none of those that do is shown."""
    made = seal_secret(secret(a=CANARY, b="x", c="y"), Scope.STRICT, sealing()).document
    made["spec"]["encryptedData"]["b"] = made["spec"]["encryptedData"]["a"][:-8] + "AAAAAAA="
    with pytest.raises(UnsealError, match=r"SealedSecret web/db: b: no key opens it") as raised:
        unseal_values(read_sealed(made), [private_key()])
    assert CANARY not in str(raised.value)
    made["spec"]["encryptedData"]["c"] = "?"
    with pytest.raises((UnsealError, MalformedBlobError), match="b, c"):
        unseal_values(read_sealed(made), [private_key()])


def test_sealing_again_keeps_all_but_the_values() -> None:
    """Scope, template and its templates, labels; values that the new key opens already are left alone."""
    made = seal_secret(secret(a="1", b="2"), Scope.NAMESPACE_WIDE, sealing("a")).document
    made["metadata"]["labels"] = {"team": "x"}
    made["spec"]["template"]["data"] = {"c": "{{ .a }}"}
    again = reencrypt(read_sealed(made), [private_key("a"), private_key("b")], sealing("b"))
    found = read_sealed(again.document)
    assert set(again.sealed) == {"a", "b"}
    assert unseal_values(found, [private_key("b")]) == {"a": b"1", "b": b"2"}
    assert (found.scope, found.template) == (Scope.NAMESPACE_WIDE, made["spec"]["template"])
    assert found.document["metadata"]["labels"] == {"team": "x"}
    third = reencrypt(found, [private_key("b")], sealing("b"))
    assert (third.sealed, third.document) == ((), found.document)


def test_recovery_gives_what_the_controller_would() -> None:
    """Sealed values win, null leaves a key out; what only the controller can fill in is named."""
    made = seal_secret(secret(a="1", b="2"), Scope.STRICT, sealing()).document
    made["spec"]["template"] |= {"type": "Opaque", "data": {"a": "x", "b": None, "c": "plain", "d": "{{ .a }}"}}
    found, unrendered = recovered(read_sealed(made), {"a": b"1", "b": b"2"})
    assert unrendered == ("d",)
    assert found == {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "web"}, "type": "Opaque",
        "data": {"a": encoded(b"1"), "c": encoded(b"plain")},
    }  # fmt: skip


def test_a_secret_is_shown_without_its_values() -> None:
    """Whatever prints it, a traceback for one."""
    assert CANARY not in repr(secret())
    assert "k" * 8 not in repr(sealing().digests)
