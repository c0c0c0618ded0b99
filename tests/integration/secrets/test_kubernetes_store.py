"""Secrets of a real API server, read through the kubernetes store by the rights of its own credentials."""

from __future__ import annotations

import base64
import json

import pytest
import pytest_asyncio
from support.users import ROOT

from gateway.config.model import Cluster as ClusterConfig
from gateway.kube import connect
from gateway_secrets.stores.credentials import KubeCredentials
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, NotFoundError, UnusableError
from gateway_secrets.stores.manifest import parse_manifest
from gateway_secrets.stores.model import Find, Reference
from gateway_secrets.stores.table import open_reader


def _b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def _secret(namespace, name, labels=None, **data):
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {k: _b64(v) for k, v in data.items()}}


@pytest.fixture
def account(cluster, namespace):
    """A service account ``reader`` of the namespace, which may read its Secrets."""
    root = cluster.api(ROOT)
    meta = {"name": "reader", "namespace": namespace}
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}
    root.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    root.create({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": [rule]})
    root.create({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    })  # fmt: skip
    return {"serviceAccount": {"name": "reader"}}


@pytest_asyncio.fixture
async def open_store(cluster, namespace, server):
    """Opens a SecretStore of the test's namespace, with credentials of the cluster."""
    config = ClusterConfig(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT)))
    client, readers = await connect(config), []

    async def opened(**spec):
        provider = {"kubernetes": {"server": server, "remoteNamespace": namespace, **spec}}
        manifest = {
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "s", "namespace": namespace}, "spec": {"provider": provider},
        }  # fmt: skip
        reader = await open_reader(parse_manifest(manifest, source="test"), credentials=KubeCredentials(client))
        readers.append(reader)
        return reader

    yield opened
    for reader in readers:
        await reader.close()
    await client.close()


async def test_values_of_a_secret(cluster, namespace, account, open_store):
    """A key, a path into a key, or all as JSON; the version is the object's."""
    made = cluster.api(ROOT).create(
        _secret(namespace, "app", password="a<b", **{"config.json": '{"db":{"port":5432}}'})
    )
    store = await open_store(auth=account)
    secret = await store.get(Reference("app", "password"))
    assert (secret.value, secret.version) == (b"a<b", made["metadata"]["resourceVersion"])
    assert (await store.get(Reference("app", "config.json"))).value == b'{"db":{"port":5432}}'
    assert json.loads((await store.get(Reference("app"))).value) == {
        "password": "a<b", "config.json": '{"db":{"port":5432}}',
    }  # fmt: skip
    assert {key: value.value for key, value in (await store.get_map(Reference("app"))).items()} == {
        "password": b"a<b", "config.json": b'{"db":{"port":5432}}',
    }  # fmt: skip


async def test_binary_values_are_read_by_their_key_alone(cluster, namespace, account, open_store):
    """As they are; and never changed to fit into JSON."""
    cluster.api(ROOT).create(_secret(namespace, "bin", key=b"\xff\x00", doc='{"a":{"b":"c"}}'))
    store = await open_store(auth=account)
    assert (await store.get(Reference("bin", "key"))).value == b"\xff\x00"
    assert (await store.get(Reference("bin", "doc.a.b"))).value == b"c"
    with pytest.raises(UnusableError, match="not UTF-8"):
        await store.get(Reference("bin"))


async def test_metadata_and_search(cluster, namespace, account, open_store):
    """Labels and annotations can be fetched, and found by."""
    for name, team in (("one", "a"), ("two", "b"), ("other", "a")):
        cluster.api(ROOT).create(_secret(namespace, name, {"team": team}, v="1"))
    store = await open_store(auth=account)
    assert (await store.get(Reference("one", "labels.team", metadata_policy="Fetch"))).value == b"a"
    assert sorted(await store.find(Find(tags={"team": "a"}))) == ["one", "other"]
    assert sorted(await store.find(Find(name="^o", tags={"team": "a"}))) == ["one", "other"]
    assert await store.find(Find(name="^tw")) == ["two"]


async def test_what_may_not_be_read_is_forbidden(cluster, namespace, account, open_store):
    """The store reads by the rights of its own account, whatever govgate itself may."""
    store = await open_store(auth=account, remoteNamespace="kube-system")
    with pytest.raises(ForbiddenError, match="app: 403"):
        await store.get(Reference("app"))


async def test_what_is_not_there_is_not_found(cluster, namespace, account, open_store):
    """No Secret, or no version but the newest."""
    cluster.api(ROOT).create(_secret(namespace, "app", v="1"))
    store = await open_store(auth=account)
    for reference in (Reference("none"), Reference("app", version="1"), Reference("app", "w")):
        with pytest.raises(NotFoundError, match=reference.key):
            await store.get(reference)
    for key in ("../configmaps/x", "a/b", "", ".."):
        with pytest.raises(MisconfiguredError, match="no name of a Secret"):
            await store.get(Reference(key))


async def test_a_token_and_a_kubeconfig_in_secrets(cluster, namespace, account, open_store, server):
    """The other ways to log in; a kubeconfig is used for what is inline in it."""
    root = cluster.api(ROOT)
    root.create(_secret(namespace, "app", v="1"))
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/reader/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = root.call("POST", path, request)["status"]["token"]
    config = {
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server["url"], "certificate-authority-data": server["caBundle"]}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }  # fmt: skip
    run = {**config, "users": [{"name": "u", "user": {"exec": {"command": "/bin/true"}}}]}
    root.create(_secret(namespace, "login", token=token, config=json.dumps(config), run=json.dumps(run)))
    ref = {"name": "login"}
    for spec in ({"auth": {"token": {"bearerToken": {**ref, "key": "token"}}}}, {"authRef": {**ref, "key": "config"}}):
        assert (await (await open_store(**spec)).get(Reference("app", "v"))).value == b"1"
    with pytest.raises(MisconfiguredError, match="not exec"):
        await (await open_store(authRef={**ref, "key": "run"})).get(Reference("app"))


async def test_a_store_without_credentials_of_its_own_is_refused(open_store):
    """Otherwise whoever may make a store could read what govgate may."""
    for spec in ({}, {"auth": {}}):
        with pytest.raises(MisconfiguredError, match="needs authRef, or auth"):
            await open_store(**spec)
