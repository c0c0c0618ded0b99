"""What manifests of cloud stores may say, and what becomes of it: nothing of a tenant's leads elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores import aws_spec, azure_spec, gcp_spec
from gateway_secrets.stores.errors import MisconfiguredError

PRINCIPAL = {
    "clientId": {"name": "a", "key": "id"}, "clientSecret": {"name": "a", "key": "s"},
}  # fmt: skip


def _aws(**spec):
    return aws_spec.parse_spec({"service": "SecretsManager", "region": "eu-west-1", **spec}, where="w")


def _azure(url, **spec):
    return azure_spec.parse_spec({"vaultUrl": url, "tenantId": "t", "authSecretRef": PRINCIPAL, **spec}, where="w")


@given(st.dictionaries(st.sampled_from(["a", "esoNamespace", "esoStoreName", "esoStoreKind"]), st.text(max_size=3)))
def test_session_tags_say_who_asks_whatever_the_manifest_has(custom):
    """By either way to set tags."""
    for spec in (
        _aws(role="r", sessionTagsPolicy="Custom", customSessionTags=custom),
        _aws(role="r", sessionTagsPolicy="Simple", sessionTags=[{"key": k, "value": v} for k, v in custom.items()]),
    ):
        (last,) = aws_spec.role_chain(spec, namespace="ns", store="s", kind="SecretStore")
        tags = {tag["Key"]: tag["Value"] for tag in last["Tags"]}
        assert (tags["esoNamespace"], tags["esoStoreName"], tags["esoStoreKind"]) == ("ns", "s", "SecretStore")
        assert len(tags) == len(last["Tags"])


def test_without_a_policy_there_are_no_tags_but_those_of_the_manifest():
    """AWS takes the right to set any as a right of its own."""
    assert aws_spec.role_chain(_aws(role="r"), namespace="ns", store="s", kind="k") == [{"RoleArn": "r"}]
    tagged = _aws(role="r", sessionTags=[{"key": "a", "value": "b"}], additionalRoles=["q"], transitiveTagKeys=["a"])
    assert aws_spec.role_chain(tagged, namespace="ns", store="s", kind="k") == [
        {"RoleArn": "q"}, {"RoleArn": "r", "Tags": [{"Key": "a", "Value": "b"}], "TransitiveTagKeys": ["a"]},
    ]  # fmt: skip
    assert aws_spec.role_chain(_aws(externalID="x"), namespace="ns", store="s", kind="k") == []


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("", {"VersionStage": "AWSCURRENT"}),
        ("AWSPREVIOUS", {"VersionStage": "AWSPREVIOUS"}),
        ("uuid/1-2", {"VersionId": "1-2"}),
    ],
)
def test_versions_of_aws(version, asked):
    """As ESO writes them."""
    assert aws_spec.version_of(version) == asked


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_of_google_stay_in_their_project(key, version):
    """They are names, or an error."""
    spec = gcp_spec.parse_spec({"projectID": "p", "location": "l"}, where="w")
    try:
        name = gcp_spec.version_name(spec, key, version)
    except MisconfiguredError:
        return
    assert name == f"projects/p/locations/l/secrets/{key}/versions/{version or 'latest'}"
    assert name.count("/") == 7


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2))
def test_labels_are_no_filters_of_their_own(tags):
    """What no label can be finds nothing, instead of meaning something."""
    wanted = gcp_spec.label_filter(tags)
    if wanted is not None:
        assert wanted.count("labels.") == len(tags)
        assert wanted.count(" AND ") == max(0, len(tags) - 1)
        assert not set(wanted) & set("()\"':\n")


@given(st.text(max_size=20))
def test_names_of_azure_are_names(key):
    """Or an error: a client would put anything into an address."""
    try:
        kind, name = azure_spec.object_of(key)
    except MisconfiguredError:
        return
    assert key in (name, f"{kind}/{name}")
    assert name.isascii()
    assert "/" not in name


@pytest.mark.parametrize(
    "url",
    [
        "https://v.vault.azure.net.attacker.example",
        "https://attacker.example/.vault.azure.net",
        "https://v.vault.azure.net@attacker.example",
        "https://vault.azure.net",
        "https://v.vault.usgovcloudapi.net",
        "http://v.vault.azure.net",
        "https://[v.vault.azure.net",
        "https://v.vault.azure.net:99999",
        "",
    ],
)
def test_a_vault_is_where_those_of_its_cloud_are(url):
    """A token of a cloud is sent nowhere else."""
    with pytest.raises(MisconfiguredError, match="vaultUrl"):
        _azure(url)


def test_each_cloud_of_azure_gives_its_own_tokens():
    """As its vaults have its own addresses."""
    assert _azure("https://v.vault.azure.net").login == "https://login.microsoftonline.com"
    government = _azure("https://v.vault.usgovcloudapi.net/", environmentType="USGovernmentCloud")
    assert government.login == "https://login.microsoftonline.us"
