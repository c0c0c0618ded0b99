"""Where an OPA server is, and what of its configuration is refused."""

from __future__ import annotations

import pytest

from gateway.config.load import parse_config
from gateway.config.opa import Address, address_of
from gateway.core.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://opa.example", Address("opa.example", 443, tls=True)),
        ("https://opa.example:8443/", Address("opa.example", 8443, tls=True)),
        ("http://127.0.0.1:8181", Address("127.0.0.1", 8181)),
        ("http://[::1]:8181", Address("[::1]", 8181)),
        ("unix:///run/opa/opa.sock", Address("localhost", socket="/run/opa/opa.sock")),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    """Hosts with and without a port, and sockets."""
    assert address_of(url) == address


WRONG = {
    "engine: opa": "policy.opa.url: name the OPA server",
    "opa: {decisions: [{name: a, path: b}]}": "policy.opa.url: name the OPA server",
    "opa: {url: opa.example}": "policy.opa.url: it must begin with",
    "opa: {url: 'ftp://opa.example'}": "policy.opa.url: it must begin with",
    "opa: {url: 'unix://run/opa.sock'}": "policy.opa.url: a Unix socket is named",
    "opa: {url: 'https://ann:secret@opa.example'}": "policy.opa.url: it holds no credentials",
    "opa: {url: 'https://opa.example/prefix'}": "policy.opa.url: nothing may follow the port",
    "opa: {url: 'https://opa.example:port'}": "policy.opa.url: ",
    "opa: {url: 'https://opa.example', certFile: a}": "policy.opa: certFile and keyFile belong together",
    "opa: {url: 'http://opa.example', caFile: a}": "policy.opa.url: certificates need https://",
    "opa: {url: 'http://opa.example', tokenFile: a}": "policy.opa.tokenFile: ",
    "opa: {url: 'https://o', decisions: [{name: a, path: b}, {name: a, path: c}]}": "policy.opa.decisions: a is there twice",
    "opa: {url: 'https://o', decisions: [{name: A, path: b}]}": "policy.opa.decisions[0].name",
    "opa: {url: 'https://o', decisions: [{name: a, path: '../x'}]}": "policy.opa.decisions[0].path",
    "opa: {url: 'https://o', answerBytes: 1}": "policy.opa.answerBytes",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_work_is_refused(text: str) -> None:
    """By the field, and without what may be secret."""
    with pytest.raises(ConfigError) as caught:
        parse_config(f"policy:\n  {text}\n".encode(), source="f.yaml")
    assert str(caught.value).startswith(f"f.yaml: {WRONG[text]}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8181", "http://localhost", "http://[::1]", "unix:///s", "https://o"])
def test_a_token_may_go_where_nobody_reads_along(url: str) -> None:
    """By TLS, within this machine, or by a socket."""
    config = parse_config(f"policy: {{opa: {{url: '{url}', tokenFile: t}}}}".encode(), source="f.yaml")
    assert config.policy.opa.token_file == "t"
