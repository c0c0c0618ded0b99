"""The fast look misses nothing that the close look finds."""

from __future__ import annotations

import base64
import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_secrets import KINDS, make

from gateway_secrets.detect import Style, in_document, in_text, may_hold
from gateway_secrets.detect.text import in_line
from gateway_secrets.detect.tree import _SUSPECT

NAMES = [
    "password",
    "PASSWORD",
    "dbPassword",
    "DB_PASSWD",
    "passphrase",
    "pwd",
    "smtp_pass",
    "secret",
    "CLIENT_SECRET",
    "clientSecret",
    "token",
    "API_TOKEN",
    "authToken",
    "credentials",
    "apikey",
    "api_key",
    "API-KEY",
    "x.api.key",
    "secretkey",
    "accesskey",
    "secret_key_base",
    "auth_key",
    "private_key",
    "encryptionKey",
    "signing-key",
    "masterKey",
    "sharedAccessKey",
    "PresharedKey",
    "client-key-data",
    "routing_key",
    "jwt.key",
    "password1",
]
LINES = (
    "{n}={v}", "{n} = {v}", "{n}: {v}", '"{n}": "{v}"', "{n} = '{v}'", '{n} := "{v}"', '{n} => "{v}"', "<{n}>{v}</{n}>",
    '<a name="{n}" value="{v}"/>', "--{n}={v}", "export {n}={v}", "{n}\t=\t{v}", "x['{n}'] = '{v}'",
    '{{"a": "{{\\"{n}\\":\\"{v}\\"}}"}}', "http://h/?{n}={v}&x=1", "Server=db;{n}={v};x=1", "{{{n}: {v}, b: c}}",
)  # fmt: skip
WRAPPED = (
    "{v}", "postgres://u:{v}@h/x", "u:{v}@(h:1)/", "u:{v}@tcp(h:1)/", "curl -u a:{v} http://x", "sshpass -p {v} ssh",
    "Authorization: Bearer {v}", "- name: A_PASSWORD\n  value: {v}\n", "<password>{v}</password>",
)  # fmt: skip
VALUES = ("kT7fQ2vLx9ZbN4wR", "hunter2", "a-b-geheim!", *(make(kind, "prefilter") for kind in sorted(KINDS)))
values = st.sampled_from(VALUES) | st.from_regex(r"[A-Za-z0-9+/=_.!-]{3,60}", fullmatch=True)


@pytest.mark.parametrize("style", Style)
def test_every_name_in_every_syntax(style: Style) -> None:
    """No name, and no way to write a setting, is passed over."""
    found = 0
    for name, form, value in product(NAMES, LINES, VALUES[:3]):
        line = form.format(n=name, v=value)
        if style is Style.CODE and line.startswith("<"):
            continue
        close = {(one.kind, one.name) for one in in_line(line, style)}
        assert {(hit.kind, hit.field) for hit in in_text(line.encode(), style)} >= close, line
        found += bool(close)
    assert found > 200


@given(name=st.sampled_from(NAMES), form=st.sampled_from(LINES), value=values, style=st.sampled_from(Style))
def test_lines(name: str, form: str, value: str, style: Style) -> None:
    """Every line in which a credential is found when looked at closely is looked at."""
    line = form.format(n=name, v=value)
    if "\n" in line or (style is Style.CODE and line.startswith("<")):
        return
    close = {(one.kind, one.name) for one in in_line(line, style)}
    assert {(hit.kind, hit.field) for hit in in_text(line.encode(), style)} >= close


@given(name=st.sampled_from(NAMES), value=values, wrapped=st.sampled_from(WRAPPED))
def test_documents(name: str, value: str, wrapped: str) -> None:
    """Every document in which something is found is worth a look, as JSON has it."""
    text = wrapped.format(v=value)
    auth = base64.b64encode(f"u:{value}".encode()).decode()
    for document in (
        {name: value},
        {"a": [{"name": name, "value": value}]},
        {"args": [f"--{name}", value]},
        {name: {"value": value}},
        {"jwt": {"issuer": "x", "key": value}},
        {"auths": {"r": {"auth": auth}}},
        {"x": text},
        {"x": f"first\n{name}: {value}\n"},
    ):
        if in_document(document):
            assert may_hold(json.dumps(document, separators=(",", ":")).encode())


@given(name=st.sampled_from(NAMES), form=st.sampled_from((*LINES, *WRAPPED)), value=values)
def test_values(name: str, form: str, value: str) -> None:
    """Every value of a document in which something is found is worth a closer look, whatever it is called."""
    text = form.format(n=name, v=value)
    if len(text) >= 12 and any(True for line in text.split("\n") for _ in in_line(line)):
        assert _SUSPECT.search(text)


def test_lines_are_counted() -> None:
    """A hit says its line, also behind very long ones and far into one."""
    token = make("github_token", "lines")
    text = b"a\n" + b"x " * 100_000 + token.encode() + b" y" * 100_000 + b"\nlast " + token.encode()
    assert [hit.line for hit in in_text(text)] == [2, 3]
