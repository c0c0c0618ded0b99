"""Which of Argo CD's repository Secrets is for which URL."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UndecidedError
from gateway.provenance.oci.credentials import Credential
from gateway.provenance.oci.tls import Material
from webhooks.argo_repositories import LABEL, Entry, choose, read_entry
from webhooks.sources.fetch import ArgoRepository


def entry(kind: str, url: str, user: str = "", project: str = "") -> Entry:
    return Entry(kind, url, project, Credential(user, "pw") if user else None)


def chosen(entries: list[Entry], url: str, project: str = "default") -> str:
    found = choose(entries, ArgoRepository(url, project))
    return found.credential.username if found is not None and found.credential is not None else ""


@pytest.mark.parametrize(
    ("template", "url", "matches"),
    [
        ("registry.example.com:5000/team", "registry.example.com:5000/team/chart", True),
        ("registry.example.com:5000/team", "oci://registry.example.com:5000/team/chart", False),
        ("oci://ghcr.io/acme", "oci://ghcr.io/acme/app", True),
        ("oci://GHCR.io/acme", " oci://ghcr.io/acme/app ", True),
        ("oci://ghcr.io/acme/", "oci://ghcr.io/acme-labs/app", False),
        ("oci://ghcr.io/team-", "oci://ghcr.io/team-payments/app", True),
        ("oci://ghcr.io/team-", "oci://ghcr.io/team/app", False),
        ("ghcr.io", "ghcr.io/acme", True),
        ("ghcr.io", "ghcr.io", True),
        ("ghcr.io", "ghcr.io.example.com/acme", False),
        ("oci://ghcr.io", "oci://ghcr.io.example.com/acme", False),
        ("registry.example.com:50", "registry.example.com:5000/team", False),
        ("oci://", "oci://ghcr.io/acme", False),
        ("", "ghcr.io/acme", False),
    ],
)
def test_a_template_is_for_urls_that_begin_with_its_own(template: str, url: str, matches: bool) -> None:
    """As texts, as Argo CD compares them; but for none that ends inside of a host: the password would go elsewhere."""
    assert chosen([entry("repo-creds", template, "robot")], url) == ("robot" if matches else "")


@given(st.text(alphabet="ab./:", max_size=12), st.text(alphabet="ab./:", max_size=12))
def test_a_password_never_goes_to_another_host(template: str, more: str) -> None:
    """Whatever a template's URL is, and whatever a tenant appends to it."""
    url = template + more
    if chosen([entry("repo-creds", template, "robot")], url):
        hosts = [one.split("/")[2 if "://" in one else 0] for one in (template, url)]
        assert hosts[0] == hosts[1] != ""


def test_the_longest_beginning_is_taken() -> None:
    """Whatever the order; of equal ones the first."""
    entries = [entry("repo-creds", f"ghcr.io/{path}", path) for path in ("acme", "acme/charts", "acme/ch", "other")]
    for some in (entries, entries[::-1]):
        assert chosen(some, "ghcr.io/acme/charts/app") == "acme/charts"
    assert chosen([entry("repo-creds", "ghcr.io/a", "1"), entry("repo-creds", "GHCR.io/a", "2")], "ghcr.io/a/b") == "1"


def test_a_repository_goes_before_a_template() -> None:
    """If its URL is the same, whole; if it has nothing to log in with, the template's is taken."""
    template = entry("repo-creds", "ghcr.io/acme", "template")
    assert chosen([template, entry("repository", "ghcr.io/acme/charts", "own")], "ghcr.io/acme/charts") == "own"
    assert chosen([template, entry("repository", "ghcr.io/acme/charts")], "ghcr.io/acme/charts") == "template"
    assert chosen([template, entry("repository", "ghcr.io/acme/char", "own")], "ghcr.io/acme/charts") == "template"
    assert chosen([entry("repository", "ghcr.io/acme", "own")], "ghcr.io/acme/charts") == ""


def test_a_repository_of_a_project_is_for_that_alone() -> None:
    """And goes before one that is for all projects."""
    entries = [entry("repository", "ghcr.io/a", name, project) for name, project in (("all", ""), ("team", "team"))]
    assert chosen(entries, "ghcr.io/a", "team") == "team"
    assert chosen(entries, "ghcr.io/a", "other") == "all"
    assert chosen(entries[1:], "ghcr.io/a", "other") == ""


def secret(kind: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": "r", "namespace": "argocd", "labels": {LABEL: kind}}, "data": encoded}


def test_a_secret_is_read() -> None:
    """What it holds for Git, and that certificates should not be verified, is passed over."""
    more = {"type": "helm", "enableOCI": "true", "insecure": "true", "sshPrivateKey": "x"}
    found = read_entry(secret("repository", url="ghcr.io/a", username="u", password="p", project="t", **more))
    assert found == Entry("repository", "ghcr.io/a", "t", Credential("u", "p"))
    found = read_entry(secret("repo-creds", url="ghcr.io/a", tlsClientCertData="c", tlsClientCertKey="k"))
    assert (found.credential, found.tls) == (None, Material(certificate=b"c", key=b"k"))
    assert read_entry(secret("repository", url="ghcr.io/a")).empty


def test_what_is_no_secret_is_an_error_that_quotes_nothing() -> None:
    """There is no verdict."""
    with pytest.raises(UndecidedError, match="argocd/r") as caught:
        read_entry({"metadata": {"name": "r", "namespace": "argocd"}, "data": {"url": "open-sesame!"}})
    assert "sesame" not in str(caught.value)
