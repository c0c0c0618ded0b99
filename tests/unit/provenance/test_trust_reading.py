"""What is read of trust policies, and what stands in for one that cannot be used: it never covers less than it should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.config.provenance import (
    Attestation,
    Certificates,
    Notation,
    Provenance,
    RegistrySettings,
    TrustAuthority,
    TrustedKey,
    TrustedRoot,
    TrustPolicy,
)
from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Signed, Signer
from gateway.provenance.trust.reading import policy_of, read_policy, stand_in, trust_files

NOW = datetime(2026, 11, 26, tzinfo=UTC)
OBJECT = {"apiVersion": "govgate.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "p"}, "spec": {}}


@pytest.mark.parametrize(
    "change", [{"kind": "Other"}, {"apiVersion": "govgate.dev/v1"}, {"kind": None, "apiVersion": None}]
)
def test_an_object_of_another_kind_is_no_policy(change: dict[str, Any]) -> None:
    """Whatever else it holds."""
    spec = {"repositories": ["a.example/**"], "authorities": [{"name": "a", "keys": [{"pem": "PEM"}]}]}
    assert policy_of({**OBJECT, "spec": spec}, source="x").name == "p"
    with pytest.raises(ConfigError, match=r"x: expected a TrustPolicy of govgate\.dev/v1alpha1"):
        policy_of({**OBJECT, "spec": spec, **change}, source="x")


@pytest.mark.parametrize(
    ("spec", "repositories", "mode"),
    [
        ({"repositories": ["ghcr.io/acme/*"], "mode": "warn"}, ("ghcr.io/acme/*",), "warn"),
        ({"repositories": ["nginx", "a b"], "mode": "audit"}, ("docker.io/library/nginx", "**"), "audit"),
        ({"repositories": ["ghcr.io"], "mode": "deny"}, ("ghcr.io/**",), "deny"),
        ({"repositories": ["ghcr.io"], "mode": "off"}, ("ghcr.io/**",), "deny"),
        ({"repositories": ["ghcr.io"]}, ("ghcr.io/**",), "deny"),
        ({"repositories": []}, ("**",), "deny"),
        ({"repositories": "ghcr.io"}, ("**",), "deny"),
        ({"repositories": {"ghcr.io": 1}}, ("**",), "deny"),
        ({"repositories": ["ghcr.io", ""]}, ("**",), "deny"),
        ({"repositories": ["ghcr.io", 1]}, ("**",), "deny"),
        ({"repositories": None, "mode": "warn"}, ("**",), "warn"),
        ("text", ("**",), "deny"),
        (None, ("**",), "deny"),
    ],
)
def test_what_stands_in_for_a_policy_that_cannot_be_used(spec: Any, repositories: tuple[str, ...], mode: str) -> None:
    """It is about the same repositories, or all where these cannot be read; and no less strict than it says."""
    found = stand_in({**OBJECT, "spec": spec}, "p", "why", source="s")
    assert (found.policy.repositories, found.policy.mode) == (repositories, mode)
    assert (found.name, found.unusable, found.source) == ("p", "why", "s")


def test_every_file_is_watched() -> None:
    """Of registries, of credentials, and of everything that an authority is recognised by; each once, and no empty name."""
    notation = Notation(file="n", tsa=Certificates(file="tsa"), signing_authority=Certificates(file="sa"))
    authorities = (
        TrustAuthority("a", keys=(TrustedKey(file="k1"), TrustedKey(file="k2"), TrustedKey(pem="PEM"))),
        TrustAuthority("b", trusted_root=TrustedRoot(file="root"), notation=notation),
    )
    settings = Provenance(
        policies=(TrustPolicy(repositories=("**",), authorities=authorities, name="p"),),
        registries=(
            RegistrySettings(hosts=("h",), ca_file="ca", cert_file="crt", key_file="key"),
            RegistrySettings(hosts=("i",), ca_file="ca"),
        ),
        docker_config="docker",
    )
    assert trust_files(settings) == ["ca", "crt", "docker", "k1", "k2", "key", "n", "root", "sa", "tsa"]
    assert trust_files(Provenance()) == []


def test_a_key_that_is_no_text_is_named() -> None:
    """PEM is ASCII; what a file holds else is told as that."""
    policy = TrustPolicy(
        repositories=("**",), authorities=(TrustAuthority("a", keys=(TrustedKey(file="k"),)),), name="p"
    )
    with pytest.raises(ConfigError, match="not PEM: it holds what is not ASCII"):
        read_policy(policy, source="x", read=lambda _path: b"\xff\xfe")


def trust(**more: Any) -> Any:
    given = {"repositories": ("**",)} | more
    authorities = (TrustAuthority("a", keys=(TrustedKey(pem="PEM"),)),)
    return read_policy(TrustPolicy(authorities=authorities, name="p", **given), source="x")


def test_a_registry_is_named_or_only_covered() -> None:
    """By one of the patterns, literally."""
    policy = trust(repositories=("ghcr.io/acme/*", "*.example.com/**"))
    assert policy.names("ghcr.io")
    assert not policy.names("r.example.com")
    assert not policy.names("quay.io")


def test_one_attestation_is_enough_to_need_them_all() -> None:
    """Where a rule must accept all that there are."""
    some, each = Attestation("https://a"), Attestation("https://b", rego="package a\nallow := true", match="all")
    assert not trust().needs_all
    assert not trust(attestations=(some,)).needs_all
    assert trust(attestations=(some, each)).needs_all


def test_evidence_holds_until_the_first_of_what_ends() -> None:
    """What never ends bounds nothing."""

    def signed(until: datetime | None) -> Signed:
        said = msgspec.Raw(b"{}")
        return Signed(
            "a", "sigstore-bundle", Signer(key="k"), None, "none", None, "", said, "s", "m", valid_until=until
        )

    soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    assert trust().boundary(NOW, [signed(None)]) is None
    assert trust().boundary(NOW, [signed(later), signed(None), signed(soon)]) == soon
