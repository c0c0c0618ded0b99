"""A real OpenBao server for the session, and stores that read it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from support.azure import CLIENT, TENANT, Azure
from support.cluster import Cluster
from support.gcp import PROJECT, Gcp
from support.moto import REGION, Moto
from support.openbao import OpenBao
from support.pki import Authority
from support.users import ROOT

from gateway_secrets.stores.credentials import FolderCredentials
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.manifest import parse_manifest
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.table import open_reader
from gateway_secrets.stores.threads import Threads


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """One server for all tests; each writes below a path of its own."""
    server = OpenBao(tmp_path_factory.mktemp("openbao"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(cluster: Cluster) -> dict[str, str]:
    """``spec.provider.kubernetes.server`` of the tests' cluster."""
    config = yaml.safe_load(cluster.kubeconfig(ROOT).read_text())["clusters"][0]["cluster"]
    inline = config.get("certificate-authority-data")
    ca = inline or base64.b64encode(Path(config["certificate-authority"]).read_bytes()).decode()
    return {"url": config["server"], "caBundle": ca}


@pytest.fixture
def reviewed(cluster: Cluster, namespace: str) -> str:
    """A token of the service account ``robot`` of the namespace, which may have tokens reviewed."""
    root = cluster.api(ROOT)
    meta = {"name": "robot", "namespace": namespace}
    root.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    root.create({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": f"{namespace}-auth"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", **meta}],
    })  # fmt: skip
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = root.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/robot/token", request)
    return str(made["status"]["token"])


class Credentials:
    """The Secrets that stores refer to, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, **values: str | bytes) -> None:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for key, value in values.items():
            (folder / key.replace("_", ".")).write_bytes(value.encode() if isinstance(value, str) else value)


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    """An empty folder of Secrets."""
    (tmp_path / "credentials").mkdir()
    return Credentials(tmp_path / "credentials")


Open = Callable[..., Awaitable[Reader]]


@pytest_asyncio.fixture
async def open_vault(bao: OpenBao, credentials: Credentials) -> AsyncIterator[Open]:
    """Opens a SecretStore whose provider is Vault; the auth method is given, the rest has defaults."""
    readers: list[Reader] = []

    async def opened(
        auth: dict[str, Any], *, limits: StoreLimits | None = None, threads: Threads | None = None, **spec: Any
    ) -> Reader:
        provider = {"vault": {"server": bao.url, "path": "kv", "auth": auth, **spec}}
        manifest = parse_manifest(
            {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "spec": {"provider": provider}},
            source="test",
        )
        reader = await open_reader(
            manifest, credentials=FolderCredentials(credentials.folder), limits=limits, threads=threads
        )
        readers.append(reader)
        return reader

    yield opened
    for reader in readers:
        await reader.close()


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One AWS for all tests."""
    server = Moto(tmp_path_factory.mktemp("moto"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def moto(moto_server: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Moto]:
    """AWS, where stores look for it, and nothing of this machine's own."""
    for name in ("AWS_SECRETSMANAGER_ENDPOINT", "AWS_SSM_ENDPOINT", "AWS_STS_ENDPOINT"):
        monkeypatch.setenv(name, moto_server.url)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    moto_server.forget()
    yield moto_server
    moto_server.enforce(False)


@pytest_asyncio.fixture
async def open_aws(moto: Moto, credentials: Credentials) -> AsyncIterator[Open]:
    """Opens a SecretStore whose provider is AWS, with static keys unless the test says otherwise."""
    readers: list[Reader] = []
    credentials.add("aws", id="test-access-key", secret="test-secret-key")
    ref = {"name": "aws"}
    keys = {"accessKeyIDSecretRef": {**ref, "key": "id"}, "secretAccessKeySecretRef": {**ref, "key": "secret"}}

    async def opened(
        *, kind: str = "SecretStore", limits: StoreLimits | None = None, surroundings: Any = None,
        namespace: str = "default", **spec: Any,
    ) -> Reader:  # fmt: skip
        aws = {"service": "SecretsManager", "region": REGION, "auth": {"secretRef": keys}, **spec}
        manifest = {
            "apiVersion": "external-secrets.io/v1", "kind": kind,
            "metadata": {"name": "cloud"}, "spec": {"provider": {"aws": aws}},
        }  # fmt: skip
        reader = await open_reader(
            parse_manifest(manifest, source="test"), limits=limits, namespace=namespace,
            credentials=surroundings or FolderCredentials(credentials.folder),
        )  # fmt: skip
        readers.append(reader)
        return reader

    yield opened
    for reader in readers:
        await reader.close()


@pytest_asyncio.fixture
async def gcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gcp]:
    """Google Cloud, where stores look for it."""
    authority = Authority()
    (tmp_path / "gcp-ca.pem").write_bytes(authority.pem)
    server = Gcp(authority, tmp_path)
    await server.start()
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", server.url)
    for name in ("STS", "IAMCREDENTIALS", "SECURETOKEN"):
        monkeypatch.setenv(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}", server.token_url)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(tmp_path / "gcp-ca.pem"))
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def open_gcp(gcp: Gcp, credentials: Credentials) -> AsyncIterator[Open]:
    """Opens a SecretStore whose provider is Google Cloud, with a service account key unless the test says otherwise."""
    readers: list[Reader] = []
    credentials.add("gcp", key=json.dumps(gcp.account_key()))
    key = {"secretRef": {"secretAccessKeySecretRef": {"name": "gcp", "key": "key"}}}

    async def opened(*, limits: StoreLimits | None = None, surroundings: Any = None, **spec: Any) -> Reader:
        provider = {"gcpsm": {"projectID": PROJECT, "auth": key, **spec}}
        manifest = {
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "cloud"}, "spec": {"provider": provider},
        }  # fmt: skip
        reader = await open_reader(
            parse_manifest(manifest, source="test"), limits=limits,
            credentials=surroundings or FolderCredentials(credentials.folder),
        )  # fmt: skip
        readers.append(reader)
        return reader

    yield opened
    for reader in readers:
        await reader.close()


@pytest_asyncio.fixture
async def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Azure]:
    """Azure, whose certificate the system trusts."""
    authority = Authority()
    (tmp_path / "azure-ca.pem").write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "azure-ca.pem"))
    server = Azure(authority, tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def open_azure(azure: Azure, credentials: Credentials) -> AsyncIterator[Open]:
    """Opens a SecretStore whose provider is Azure, in a cloud of its own, with a client secret unless the test says so."""
    readers: list[Reader] = []
    credentials.add("azure", id=CLIENT, secret=azure.client_secret)
    secret = {"clientId": {"name": "azure", "key": "id"}, "clientSecret": {"name": "azure", "key": "secret"}}

    async def opened(*, limits: StoreLimits | None = None, surroundings: Any = None, **spec: Any) -> Reader:
        azurekv = {
            "vaultUrl": azure.url, "tenantId": TENANT, "authSecretRef": secret, "environmentType": "AzureStackCloud",
            "customCloudConfig": {"activeDirectoryEndpoint": azure.url}, "useAzureSDK": True, **spec,
        }  # fmt: skip
        manifest = {
            "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "cloud"}, "spec": {"provider": {"azurekv": azurekv}},
        }  # fmt: skip
        reader = await open_reader(
            parse_manifest(manifest, source="test"), limits=limits,
            credentials=surroundings or FolderCredentials(credentials.folder),
        )  # fmt: skip
        readers.append(reader)
        return reader

    yield opened
    for reader in readers:
        await reader.close()
