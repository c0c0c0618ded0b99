"""What holds of every store, whatever is behind it: written and read, found and described, removed and not there."""

from __future__ import annotations

import json
import uuid

import pytest
from support.azure import CLIENT, TENANT
from support.gcp import PROJECT
from support.moto import REGION
from support.users import ROOT

from gateway_secrets.stores.credentials import FolderCredentials
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, RejectedError, UnusableError
from gateway_secrets.stores.manifest import parse_manifest
from gateway_secrets.stores.model import Find, Reference
from gateway_secrets.stores.table import PROVIDERS, open_reader

WRITER = 'path "{mount}/*" {{ capabilities = ["create", "read", "update", "delete", "list"] }}'
STORES = ("azure", "file", "google", "kubernetes", "parameters", "secrets-manager", "vault", "vault-v1")


@pytest.fixture
def vault_writer(bao, credentials):
    """The address of a server, and a token that may do everything to its KV engines."""
    bao.root.sys.create_or_update_policy("writer", WRITER.format(mount="kv") + WRITER.format(mount="kv1"))
    credentials.add("vault", token=bao.root.auth.token.create(policies=["writer"])["auth"]["client_token"])
    return bao.url


@pytest.fixture
def kube_writer(cluster, namespace, server, credentials):
    """The server and the namespace, and a token that may do everything to its Secrets."""
    root, meta = cluster.api(ROOT), {"name": "writer", "namespace": namespace}
    root.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}
    root.create({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": [rule]})
    root.create({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
        "subjects": [{"kind": "ServiceAccount", **meta}],
    })  # fmt: skip
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = root.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/writer/token", request)
    credentials.add("kube", token=made["status"]["token"])
    return {"server": server, "remoteNamespace": namespace}


@pytest.fixture
def clouds(moto, gcp, azure, credentials):
    """AWS, Google Cloud and Azure, and keys of them. The address of the vault."""
    credentials.add("aws", id="test-access-key", secret="test-secret-key")
    credentials.add("gcp", key=json.dumps(gcp.account_key()))
    credentials.add("azure", id=CLIENT, secret=azure.client_secret)
    return azure.url


@pytest.fixture
def providers(vault_writer, kube_writer, clouds, credentials, tmp_path):
    """``spec.provider`` of each kind of store, with credentials that may do everything."""
    vault = {"server": vault_writer, "auth": {"tokenSecretRef": {"name": "vault", "key": "token"}}}
    keys = {
        "accessKeyIDSecretRef": {"name": "aws", "key": "id"}, "secretAccessKeySecretRef": {"name": "aws", "key": "secret"},
    }  # fmt: skip
    key = {"secretRef": {"secretAccessKeySecretRef": {"name": "gcp", "key": "key"}}}
    aws = {"region": REGION, "auth": {"secretRef": keys}}
    bearer = {"token": {"bearerToken": {"name": "kube", "key": "token"}}}
    principal = {"clientId": {"name": "azure", "key": "id"}, "clientSecret": {"name": "azure", "key": "secret"}}
    azurekv = {
        "vaultUrl": clouds, "tenantId": TENANT, "authSecretRef": principal, "environmentType": "AzureStackCloud",
        "customCloudConfig": {"activeDirectoryEndpoint": clouds},
    }  # fmt: skip
    return {
        "azure": {"azurekv": azurekv},
        "file": {"file": {"path": str(tmp_path / "s.enc"), "keyFile": str(tmp_path / "s.key")}},
        "google": {"gcpsm": {"projectID": PROJECT, "auth": key}},
        "kubernetes": {"kubernetes": {**kube_writer, "auth": bearer}},
        "parameters": {"aws": {"service": "ParameterStore", **aws}},
        "secrets-manager": {"aws": {"service": "SecretsManager", **aws}},
        "vault": {"vault": {"path": "kv", **vault}},
        "vault-v1": {"vault": {"path": "kv1", "version": "v1", **vault}},
    }


@pytest.fixture(params=STORES)
async def store(request, providers, credentials):
    manifest = {
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "s"}, "spec": {"provider": providers[request.param]},
    }  # fmt: skip
    reader = await open_reader(
        parse_manifest(manifest, source="test"), credentials=FolderCredentials(credentials.folder)
    )
    yield reader
    await reader.close()


@pytest.fixture
def key():
    """A key that no other test has, and that every store takes."""
    return f"conform-{uuid.uuid4().hex}"


def test_every_kind_of_store_conforms(providers):
    """None is left out here."""
    assert {name for provider in providers.values() for name in provider} == set(PROVIDERS)


async def test_what_was_written_is_read(store, key):
    """Property by property, and as a whole; a new version each time, but none for what is there already."""
    first = await store.put(Reference(key, "user"), b"robot")
    second = await store.put(Reference(key, "password"), "geheim-€ <&>".encode())
    third = await store.put(Reference(key, "password"), "geheim-€ <&>".encode())
    assert second == third
    assert (first != second) == bool(first)
    found = await store.get(Reference(key, "password"))
    assert (found.value, found.version) == ("geheim-€ <&>".encode(), second)
    pairs = await store.get_map(Reference(key))
    assert {name: pairs[name].value for name in ("user", "password")} == {
        "user": b"robot", "password": "geheim-€ <&>".encode(),
    }  # fmt: skip
    await store.put(Reference(key), b'{"user": "other"}')
    whole = json.loads((await store.get(Reference(key))).value)
    assert (whole["user"], "password" in whole) == ("other", False)


async def test_the_version_is_known_without_reading(request, store, key):
    """And is the one that is read."""
    version = await store.put(Reference(key, "a"), b"1")
    if not version:
        with pytest.raises(MisconfiguredError, match="no metadata"):
            await store.describe(key)
        return
    assert (await store.describe(key)).version == (await store.get(Reference(key, "a"))).version == version


async def test_credentials_that_are_taken(store):
    """No secret is read to find that out."""
    await store.check()


@pytest.mark.parametrize("name", ["azure", "google", "kubernetes", "vault"])
async def test_credentials_that_are_not_taken(name, providers, credentials, gcp):
    """Are told from a store that does not answer, and from a secret that may not be read."""
    credentials.add("vault", token="nonsense")
    credentials.add("kube", token="nonsense")
    credentials.add("gcp", key=json.dumps(gcp.account_key() | {"private_key_id": "unknown"}))
    credentials.add("azure", id=CLIENT, secret="nonsense")
    manifest = {
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "s"}, "spec": {"provider": providers[name]},
    }  # fmt: skip
    reader = await open_reader(
        parse_manifest(manifest, source="test"), credentials=FolderCredentials(credentials.folder)
    )
    try:
        with pytest.raises(RejectedError):
            await reader.check()
    finally:
        await reader.close()


async def test_a_token_that_may_not_look_itself_up(bao, open_vault, credentials):
    """Is taken all the same."""
    bao.root.sys.create_or_update_policy("narrow", 'path "kv/data/narrow" { capabilities = ["read"] }')
    made = bao.root.auth.token.create(policies=["narrow"], no_default_policy=True)
    credentials.add("narrow", token=made["auth"]["client_token"])
    store = await open_vault({"tokenSecretRef": {"name": "narrow", "key": "token"}})
    await store.check()


@pytest.mark.native
async def test_what_is_not_there_is_not_found(store, key):
    """No secret, no property; neither to be read nor to be described."""
    with pytest.raises(NotFoundError):
        await store.get(Reference(key))
    await store.put(Reference(key, "a"), b"1")
    with pytest.raises(NotFoundError, match=key):
        await store.get(Reference(key, "b"))


async def test_what_was_removed_is_gone(store, key):
    """One property, then the last one and the secret with it; what is not there is removed already."""
    await store.delete(Reference(key))
    await store.put(Reference(key, "a"), b"1")
    await store.put(Reference(key, "b"), b"2")
    await store.delete(Reference(key, "a"))
    await store.delete(Reference(key, "a"))
    assert (await store.get(Reference(key, "b"))).value == b"2"
    await store.delete(Reference(key, "b"))
    await store.delete(Reference(key, "b"))
    with pytest.raises(NotFoundError):
        await store.get(Reference(key))
    await store.put(Reference(key, "c"), b"3")
    assert (await store.get(Reference(key, "c"))).value == b"3"


async def test_many_are_read_at_once(store, key):
    """In the order that was asked for, what fails by itself, twice the same one read once."""
    for part in ("one", "two", "three"):
        await store.put(Reference(f"{key}-{part}", "v"), part.encode())
    asked = [Reference(f"{key}-{part}", "v") for part in ("two", "none", "one", "two", "three")]
    found = await store.get_many(asked)
    assert isinstance(found[1], NotFoundError)
    assert [secret.value for secret in (found[0], *found[2:])] == [b"two", b"one", b"two", b"three"]


@pytest.mark.native
async def test_what_was_written_is_found(store, key):
    """By its name."""
    for part in ("a", "b"):
        await store.put(Reference(f"{key}-{part}", "v"), b"1")
    assert await store.find(Find(name=f"^{key}-[bc]$")) == [f"{key}-b"]


async def test_values_that_no_secret_of_kubernetes_holds_are_refused(store, key):
    """Before anything is written."""
    with pytest.raises(UnusableError, match="a Secret of Kubernetes holds"):
        await store.put(Reference(key, "a"), b"x" * (1024 * 1024 + 1))
    with pytest.raises(NotFoundError):
        await store.get(Reference(key))
