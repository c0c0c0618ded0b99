"""Which credential is for which registry, and where it may go."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pki import Authority
from yarl import URL

from gateway.config.provenance import RegistrySettings
from gateway.core.errors import ConfigError
from gateway.provenance.oci.auth import parse_challenges
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Credential, DockerConfig, default_docker_config, read_docker_config
from gateway.provenance.oci.errors import UnauthorisedError
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.http import retry_after
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import Registry

SECRET = "open-sesame"


def config(**auths: str) -> DockerConfig:
    entries = {key: {"auth": base64.b64encode(f"{user}:{SECRET}".encode()).decode()} for key, user in auths.items()}
    return DockerConfig(json.dumps({"auths": entries}).encode(), source="it", helpers=False)


def find(of: DockerConfig, registry: str, repository: str = "acme/app") -> str:
    found = asyncio.run(of.find(registry, repository))
    return found.username if found else ""


def test_the_most_specific_entry_is_taken() -> None:
    """By whole parts of the path; a glob stands for one label of the host."""
    some = config(
        **{"ghcr.io": "host", "ghcr.io/acme": "team", "https://ghcr.io/acme/app/": "app", "*.example.com": "any"}
    )
    assert find(some, "ghcr.io", "other/app") == "host"
    assert find(some, "ghcr.io", "acme/other") == "team"
    assert find(some, "ghcr.io", "acme/app") == "app"
    assert find(some, "ghcr.io", "acmeevil/app") == "host"
    assert find(some, "r.example.com") == "any"
    assert find(some, "a.r.example.com") == ""
    assert find(some, "ghcr.io.evil.com") == ""


def test_docker_hub_has_a_name_of_its_own() -> None:
    """Its key is an address of the first API."""
    assert find(config(**{"https://index.docker.io/v1/": "hub"}), "docker.io") == "hub"
    assert find(config(**{"https://index.docker.io/v1/": "hub"}), "ghcr.io") == ""


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"auths": {"x": {"auth": "***open-sesame***"}}}', b'{"auths": []}']
)
def test_a_broken_configuration_is_one_line_without_its_content(text: bytes) -> None:
    """It may hold secrets."""
    with pytest.raises(ConfigError) as caught:
        DockerConfig(text, source="it", helpers=False)
    assert SECRET not in str(caught.value)


def test_a_credential_does_not_show() -> None:
    """Not even in a traceback's locals."""
    assert SECRET not in repr(Credential("robot", SECRET, SECRET, SECRET))
    assert SECRET not in Credential("robot", SECRET).fingerprint


def helper(folder: Path, script: str) -> None:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_helpers_are_asked_and_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``get`` with the server on standard input; what a tenant wrote runs none."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    helper(tmp_path, 'read -r server; echo "{\\"Username\\": \\"$1 $server\\", \\"Secret\\": \\"x\\"}"')
    text = b'{"credHelpers": {"ghcr.io": "test"}}'
    assert find(DockerConfig(text, source="it", helpers=True), "ghcr.io") == "get ghcr.io"
    assert find(DockerConfig(text, source="it", helpers=True), "quay.io") == ""
    assert find(DockerConfig(text, source="it", helpers=False), "ghcr.io") == ""
    (tmp_path / "config.json").write_text('{"credsStore": "test"}')
    assert find(read_docker_config(str(tmp_path / "config.json")), "docker.io") == "get https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("script", "fails"),
    [
        ("echo credentials not found in native keychain; exit 1", False),
        (f"echo {SECRET}; exit 1", True),
        (f"echo {SECRET}", True),
        ("cat /dev/zero", True),
    ],
)
def test_a_failing_helper_is_unauthorised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, fails: bool
) -> None:
    """But one that knows nothing is not; what it printed is never shown."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    helper(tmp_path, script)
    asked = DockerConfig(b'{"credsStore": "test"}', source="it", helpers=True)
    if not fails:
        assert find(asked, "ghcr.io") == ""
        return
    with pytest.raises(UnauthorisedError) as caught:
        find(asked, "ghcr.io")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x"])
def test_a_helper_is_a_name_not_a_path(name: str) -> None:
    """Nothing outside of PATH is run; an empty name is no helper."""
    asked = DockerConfig(json.dumps({"credsStore": name}).encode(), source="it", helpers=True)
    if not name:
        assert find(asked, "ghcr.io") == ""
        return
    with pytest.raises(UnauthorisedError):
        find(asked, "ghcr.io")


def test_without_a_docker_configuration_one_is_anonymous(tmp_path: Path) -> None:
    """As the docker command does."""
    keychain = default_docker_config({"HOME": str(tmp_path)})
    assert asyncio.run(keychain.find("ghcr.io", "x")) is None


HOSTS = Hosts(
    [
        RegistrySettings(("localhost:5000",), plain_http=True),
        RegistrySettings(("r.corp",), token_hosts=("sso.corp.net",)),
    ]
)


@pytest.mark.parametrize(
    ("registry", "realm", "allowed"),
    [
        ("ghcr.io", "https://ghcr.io/token", True),
        ("docker.io", "https://auth.docker.io/token", True),
        ("registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("registry.gitlab.com", "https://evilgitlab.com/jwt/auth", False),
        ("ghcr.io", "http://ghcr.io/token", False),
        ("ghcr.io", "https://evil.io/token", False),
        ("acme.co.uk", "https://evil.co.uk/token", False),
        ("r.acme.co.uk", "https://auth.acme.co.uk/token", False),
        ("r.acme.co.uk", "https://acme.co.uk/token", True),
        ("r.acme.co.uk", "https://auth.r.acme.co.uk/token", True),
        ("r.acme.com", "https://auth.acme.com/token", False),
        ("r.acme.com", "https://com/token", False),
        ("foo.kunitachi.tokyo.jp", "https://evil.kunitachi.tokyo.jp/token", False),
        ("localhost:5000", "https://evil.localhost/token", False),
        ("[2001:db8::1]", "https://[::1]/token", False),
        ("docker.elastic.co", "https://docker-auth.elastic.co/auth", True),
        ("docker.elastic.co", "https://other.elastic.co/auth", False),
        ("docker.io", "https://evil.docker.io/token", False),
        ("foo.or.jp", "https://evil.or.jp/token", False),
        ("r.acme.io", "https://auth.acme.io/token", False),
        ("acme.github.io", "https://evil.github.io/token", False),
        ("acme.azurecr.io", "https://evil.azurecr.io/token", False),
        ("acme.azurecr.io", "https://acme.azurecr.io/oauth2/token", True),
        ("acme.pages.dev", "https://evil.pages.dev/token", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "https://2.dkr.ecr.eu-west-1.amazonaws.com/token", False),
        ("1.2.3.4.nip.io", "https://9.2.3.4.nip.io/token", False),
        ("r.web.svc", "https://other.web.svc/token", False),
        ("r.web.svc.cluster.local", "https://other.web.svc.cluster.local/token", False),
        ("10.0.0.1", "https://9.0.0.1/token", False),
        ("10.0.0.1", "https://9.10.0.0.1.evil/token", False),
        ("10.0.0.1", "https://0.0.1/token", False),
        ("ghcr.io", "https://169.254.169.254/latest", False),
        ("localhost:5000", "http://localhost:5000/token", True),
        ("localhost:5000", "http://localhost:5001/token", False),
        ("r.corp", "https://sso.corp.net/token", True),
        ("s.corp", "https://sso.corp.net/token", False),
    ],
)
def test_tokens_come_from_the_registry_or_above_or_below_it(registry: str, realm: str, allowed: bool) -> None:
    """Whoever runs a registry can not have a password sent just anywhere, nor have the gateway ask inside the cluster."""
    assert HOSTS.gives_tokens(registry, URL(realm)) is allowed


def test_settings_are_of_the_host_with_its_port_unless_that_is_the_usual_one(tmp_path: Path) -> None:
    """However the URL writes it; another port is another host."""
    (tmp_path / "ca.crt").write_bytes(Authority().pem)
    hosts = Hosts(
        [
            RegistrySettings(("r.corp", "s.corp:443", "t.corp:5000"), ca_file=str(tmp_path / "ca.crt")),
            RegistrySettings(("plain.corp", "localhost:5000"), plain_http=True),
        ]
    )
    for url in ("https://r.corp/v2", "https://R.corp:443/", "https://s.corp/", "https://t.corp:5000/"):
        assert isinstance(hosts.tls(URL(url)), ssl.SSLContext)
    for url in ("https://t.corp/", "https://r.corp:5000/", "https://other.corp/"):
        assert hosts.tls(URL(url)) is True
    assert str(hosts.base("plain.corp")) == "http://plain.corp"
    assert str(hosts.base("localhost:5000")) == "http://localhost:5000"
    assert str(hosts.base("localhost")) == "https://localhost"
    assert str(hosts.base("docker.io")) == "https://registry-1.docker.io"
    assert hosts.gives_tokens("plain.corp", URL("http://plain.corp/token"))
    assert not hosts.gives_tokens("r.corp", URL("http://r.corp/token"))


@pytest.mark.parametrize("written", ["plain.corp", "plain.corp:80", "Plain.corp:80"])
@pytest.mark.parametrize("asked", ["plain.corp", "plain.corp:80"])
def test_a_registry_without_tls_has_one_name(written: str, asked: str) -> None:
    """With the usual port or without, in the settings and in a reference; another port is another registry."""
    hosts = Hosts([RegistrySettings((written,), plain_http=True, token_hosts=("SSO.corp:443",))])
    assert hosts.name(asked) == "plain.corp"
    assert hosts.names(asked) == ("plain.corp", "plain.corp:80")
    assert hosts.plain(asked)
    assert str(hosts.base(asked)) == "http://plain.corp"
    assert hosts.gives_tokens(asked, URL("http://plain.corp:80/token"))
    assert hosts.gives_tokens(asked, URL("https://sso.corp/token"))
    assert not hosts.plain("plain.corp:81")
    assert Hosts([RegistrySettings((written,))]).name("plain.corp:80") == "plain.corp:80"


@pytest.mark.parametrize("key", ["plain.corp", "plain.corp:80", "http://plain.corp/v2/"])
async def test_its_credentials_are_found_by_either_name(key: str) -> None:
    """Whichever of them they are written down for, and whichever a reference has; not for another host."""
    registry = Registry(Hosts([RegistrySettings(("plain.corp",), plain_http=True)]))
    keychain = config(**{key: "robot"})
    for host, user in (("plain.corp", "robot"), ("plain.corp:80", "robot"), ("other.corp", "")):
        source = registry.repository(Reference(host, "a"), Budget(seconds=9, requests=9), keychain)
        credential = await source._found()
        assert (credential.username if credential is not None else "") == user


def test_docker_hub_is_one_host_to_the_settings(tmp_path: Path) -> None:
    """Where its API is, is one of its names."""
    (tmp_path / "ca.crt").write_bytes(Authority().pem)
    for name in ("docker.io", "registry-1.docker.io", "index.docker.io:443"):
        hosts = Hosts([RegistrySettings((name,), ca_file=str(tmp_path / "ca.crt"))])
        assert isinstance(hosts.tls(hosts.base("docker.io")), ssl.SSLContext)


def test_a_host_is_no_address() -> None:
    """It would be about nothing."""
    with pytest.raises(ConfigError, match="without scheme and path"):
        Hosts([RegistrySettings(("https://r.corp",), plain_http=True)])


@pytest.mark.parametrize("key", ["r.corp", "r.corp:443", "https://R.corp:443/v2/"])
def test_credentials_are_of_the_registry_however_its_name_is_written(key: str) -> None:
    """One name here too; another port is another registry."""
    assert find(config(**{key: "robot"}), "r.corp") == "robot"
    assert find(config(**{key: "robot"}), "r.corp:80") == ""


def test_challenges_are_read_with_quotes() -> None:
    """Commas inside of quotes do not end a parameter."""
    (found,) = parse_challenges(['Bearer realm="https://a/t?x=1,2", service=reg, scope="repository:a:pull,push"'])
    assert found.scheme == "bearer"
    assert found.parameters == {"realm": "https://a/t?x=1,2", "service": "reg", "scope": "repository:a:pull,push"}


@given(st.text(max_size=300))
def test_no_challenge_raises(text: str) -> None:
    """A registry can send anything."""
    parse_challenges([text])
    retry_after(text, datetime.now(UTC))


def test_patience_is_a_number_or_a_date() -> None:
    """RFC 9110; a date that has passed is no wait."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("120", now) == 120
    assert retry_after("Thu, 01 Jan 2026 00:01:00 GMT", now) == 60
    assert retry_after("Thu, 01 Jan 2020 00:01:00 GMT", now) == 0
    assert retry_after("soon", now) is None
