"""Encrypted values are told by their structure: real ones are never reported, those that only look so always."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_secrets import make

from gateway_secrets.detect import in_document, in_object, in_text
from gateway_secrets.detect.structure import Sealing, is_sealed, sealing


def sealed_secret(value: str) -> dict[str, object]:
    return {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": {"name": "a"},
        "spec": {"encryptedData": {"k": value}},
    }


@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["sealed", "sealed_small"]))
def test_sealed_values_are_not_reported(seed: int, kind: str) -> None:
    """A blob of the right structure is sealed, whatever its bytes."""
    assert in_object(sealed_secret(make(kind, str(seed)))) == []


@given(text=st.text(min_size=1, max_size=2000).filter(lambda text: len(set(text)) > 8 and "{" not in text))
def test_encoded_text_is_not_sealed(text: str) -> None:
    """Base64 of a text is no sealed value, even behind a length that fits."""
    encoded = base64.b64encode(text.encode()).decode()
    assert not is_sealed(encoded)
    texty = base64.b64encode(b"\x02\x00" + (b"The quick brown fox " * 40)).decode()
    assert not is_sealed(texty)
    assert [hit.kind for hit in in_object(sealed_secret(texty))] == ["fake-sealed-secret"]


@given(seed=st.integers(0, 10**6), length=st.integers(0, 500))
def test_truncated_blobs_are_not_sealed(seed: int, length: int) -> None:
    """A blob without room for its own RSA part and a GCM tag is none."""
    blob = base64.b64decode(make("sealed", str(seed)))[:length]
    assert not is_sealed(base64.b64encode(blob).decode())


@pytest.mark.parametrize("kind", ["sops", "age_armored", "pgp_message"])
def test_encrypted_values_are_recognised(kind: str) -> None:
    """SOPS, age and PGP: in documents, in text, in Secrets."""
    value = make(kind, "a")
    assert sealing(value) is Sealing.REAL
    assert in_document({"password": value}) == []
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"password": value}}
    assert in_object(secret) == []
    if kind == "sops":
        assert in_text(f"PASSWORD={value}\npassword: {value}\n".encode()) == []


@pytest.mark.parametrize(
    "value",
    [
        "ENC[AES256_GCM,data:geheim,iv:keins,tag:keins,type:str]",
        "ENC[AES256_GCM,data:YWJj,iv:YWJj,tag:YWJj,type:str]",
        "-----BEGIN AGE ENCRYPTED FILE-----\nbm90IGFnZQ==\n-----END AGE ENCRYPTED FILE-----",
        "$ANSIBLE_VAULT;1.1;AES256\nnot hex at all",
    ],
)
def test_what_only_looks_encrypted_is_reported(value: str) -> None:
    """The structure counts, not how a value begins."""
    assert sealing(value) is Sealing.FAKE
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"password": value}}
    assert [hit.kind for hit in in_object(secret)] == ["fake-encrypted-value"]


def test_only_what_is_encrypted_in_a_sops_file_is_left_out() -> None:
    """The sops section itself proves nothing: a value beside it in plain text is reported."""
    document = {"password": make("sops", "a"), "token": make("github_token", "a"), "sops": {"mac": make("sops", "b")}}
    assert [(hit.kind, hit.field) for hit in in_document(document)] == [("github-token", "token")]
