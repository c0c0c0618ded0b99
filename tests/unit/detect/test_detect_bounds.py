"""Text made to be slow to look at is not: every pattern is linear."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.detect import Style, in_document, in_object, in_text

SIZE = 64 * 1024
HOSTILE = {
    "names": "password_" * 40,
    "assigned": "a_token=",
    "passwords": 'password="',
    "colons": "token: : : ",
    "urls": "a://b:c",
    "users": "a://" + "u" * 90 + ":" + "p" * 190,
    "curl": "curl -u ",
    "spaces": "password" + " " * 60,
    "keys": "-----BEGIN RSA PRIVATE KEY-----\n",
    "headers": "-----BEGIN PRIVATE KEY-----\nAa: Aa: Aa: Aa: Aa: Aa: ",
    "backslashes": "PRIVATE KEY-----" + "\\" * 200,
    "web tokens": "eyJ" + "a" * 20 + "-",
    "runs": "ghp_" + "a" * 16,
    "slack": "xoxb-1234567890-",
    "xml": "<password " + "a" * 180,
    "attributes": "name=password ,, ,, ",
    "variables": 'variable "password" { ',
    "hooks": "https://hooks.slack.com/services/T",
    "quotes": "secret='" + '\\"' * 20,
    "base64": "LS0tLS1CRUdJTi" + "A" * 50 + " ",
    "at": "://" + "a@(" * 10,
    "sops": "password: ENC[AES256_GCM,data:",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name: str) -> None:
    """64 KB, in one line and in many, take seconds of processor time at the very worst, not minutes."""
    piece = HOSTILE[name]
    text = (piece * (SIZE // len(piece) + 1))[:SIZE]
    started = time.process_time()
    in_text(text.encode())
    in_text(text.replace(" ", "\n").encode(), Style.CODE)
    assert time.process_time() - started < 10


@given(data=st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes are, looking at them ends, and lines are within the text."""
    for style in Style:
        assert all(1 <= hit.line <= data.count(b"\n") + 1 for hit in in_text(data, style))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(
    spec=json_values, data=json_values, metadata=json_values, kind=st.sampled_from(["Secret", "SealedSecret", "Pod"])
)
def test_any_object(spec: object, data: object, metadata: object, kind: str) -> None:
    """An object may be of any shape: nothing about it is taken for granted."""
    group = "bitnami.com/v1alpha1" if kind == "SealedSecret" else "v1"
    in_object({"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec, "data": data, "stringData": data})


def test_deep_documents_are_looked_at() -> None:
    """What is nested beyond any use is found all the same."""
    document: object = {"password": "hunter2"}
    for _ in range(300):
        document = [document]
    assert [hit.kind for hit in in_document(document)] == ["named-password"]
