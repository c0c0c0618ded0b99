"""What objects name to be let in by: Secrets and ServiceAccounts of a real API server, a registry that wants to see them."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.cluster import Cluster
from support.pki import Authority
from support.registries import FaultyRegistry
from support.signing import pem
from support.users import NOBODY, ROOT, User

from gateway.config.model import Cluster as Connection
from gateway.config.provenance import Provenance, RegistrySettings, TrustAuthority, TrustedKey, TrustPolicy
from gateway.core.guard import Indeterminate, Judged
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Json, Subject, UserInfo
from gateway.kube import KubeClient, connect
from gateway.provenance.gate import Gate
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import make_ready
from webhooks.access import ClusterAccess
from webhooks.artifacts import FileCharts
from webhooks.provenance import ProvenanceGuard
from webhooks.trust import ConfiguredTrust

pytestmark = pytest.mark.servers
AUTHORITY = Authority()
FLUX = "source.toolkit.fluxcd.io"
PASSWORD = "open-sesame"
KEY = pem(ec.generate_private_key(ec.SECP256R1()))
REACHED = "no signature was found"


class Site(NamedTuple):
    """Registries, what is in the cluster, and how the gateway is set up."""

    cluster: Cluster
    namespace: str
    open: FaultyRegistry
    strict: FaultyRegistry
    digest: str

    async def create(self, kind: str, name: str, *, labels: Mapping[str, str] | None = None, **more: Any) -> None:
        metadata = {"name": name, "namespace": self.namespace, "labels": dict(labels or {})}
        item = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}
        await asyncio.to_thread(self.cluster.api(ROOT).create, item)

    async def secret(self, name: str, data: Mapping[str, bytes | str], **more: Any) -> None:
        encoded = {
            key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
            for key, value in data.items()
        }
        await self.create("Secret", name, data=encoded, type="Opaque", **more)

    async def pull_secret(self, name: str, *hosts: str) -> None:
        auth = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
        config = {"auths": {host: {"auth": auth} for host in hosts or (self.open.host,)}}
        await self.secret(name, {".dockerconfigjson": json.dumps(config)})

    def subject(self, group: str, kind: str, spec: Json) -> Subject:
        document = {"kind": kind, "metadata": {"name": "x", "namespace": self.namespace}, "spec": spec}
        return Subject(
            uid="u",
            operation="CREATE",
            kind=GroupVersionKind(group, "v1", kind),
            resource=GroupVersionResource(group, "v1", kind.lower() + "s"),
            user=UserInfo(),
            namespace=self.namespace,
            name="x",
            raw_object=json.dumps(document).encode(),
        )

    def oci_repository(self, registry: FaultyRegistry, **more: Any) -> Subject:
        spec = {"url": f"oci://{registry.host}/acme/app", "ref": {"digest": self.digest}, **more}
        return self.subject(FLUX, "OCIRepository", spec)

    def pod(self, **more: Any) -> Subject:
        image = f"{self.open.host}/acme/app@{self.digest}"
        return self.subject("", "Pod", {"containers": [{"name": "c", "image": image}], **more})

    async def said(self, subject: Subject, *, user: User = ROOT, charts: FileCharts | None = None, **more: Any) -> str:
        """What the guard says: the message of its finding, or why it could not decide."""
        registries = (RegistrySettings((self.open.host,), plain_http=True),)
        settings = Provenance(**{"pull_secrets": True, "registries": registries, **more})
        client = await connected(self.cluster, user)
        gate = Gate(settings)
        authority = TrustAuthority("a", keys=(TrustedKey(pem=KEY),))
        policy = TrustPolicy(
            repositories=("**", f"{self.strict.host}/**"), authorities=(authority,), name="p", sources="off"
        )
        trust = ConfiguredTrust([await make_ready(read_policy(policy, source="test"), trial=False)])
        access = ClusterAccess(client, settings, self.namespace)
        guard = ProvenanceGuard(trust, gate, settings, exempt=(), charts=charts or FileCharts(), access=access)
        try:
            outcome = await guard.judge(subject)
        finally:
            await gate.close()
            await client.close()
        assert isinstance(outcome, Judged | Indeterminate)
        if isinstance(outcome, Indeterminate):
            assert PASSWORD not in outcome.reason
            return outcome.reason
        (finding,) = outcome.findings
        return finding.message


async def connected(cluster: Cluster, user: User) -> KubeClient:
    client = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(user))))
    assert client is not None
    return client


@pytest.fixture
async def site(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[Site]:
    """A registry that wants a password, and one that wants a certificate."""
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    tls.load_cert_chain(*AUTHORITY.issue_to(tmp_path, "server"))
    tls.verify_mode = ssl.CERT_REQUIRED
    async with FaultyRegistry().serve() as opened, FaultyRegistry().serve(tls) as strict:
        opened.password = PASSWORD
        digest = opened.add_artifact("v1", "1.0.0")
        assert strict.add_artifact("v1", "1.0.0") == digest
        yield Site(cluster, namespace, opened, strict, digest)


async def test_a_pod_has_the_pull_secrets_of_its_account(site: Site) -> None:
    """Of the one that it names, else of the default one; pull secrets that it names itself go before."""
    assert "there is no ServiceAccount" in await site.said(site.pod())
    await site.pull_secret("pull")
    await site.create("ServiceAccount", "default")
    assert "wants credentials" in await site.said(site.pod())
    await site.create("ServiceAccount", "app", imagePullSecrets=[{"name": "gone"}, {"name": "pull"}])
    assert REACHED in await site.said(site.pod(serviceAccountName="app"))
    assert "there is no pull secret" in await site.said(
        site.pod(serviceAccountName="app", imagePullSecrets=[{"name": "other"}])
    )
    template = {"metadata": {}, "spec": site.pod(serviceAccountName="app").object["spec"]}
    assert REACHED in await site.said(site.subject("apps", "Deployment", {"template": template}))


async def test_an_account_is_read_only_where_the_registry_refuses(site: Site) -> None:
    """Whoever may not read accounts is told so then, and judges what is open to all as before."""
    reason = await site.said(site.pod(), user=NOBODY)
    assert reason.startswith("unauthorised:")
    assert f"ServiceAccount {site.namespace}/default: 403 Forbidden" in reason
    assert "provenance.pullSecrets is false" in await site.said(site.pod(), pull_secrets=False)
    site.open.password = ""
    assert REACHED in await site.said(site.pod(), user=NOBODY)


async def test_crossplanes_packages_are_fetched_by_what_is_beside_crossplane(site: Site) -> None:
    """A package is in no namespace: its pull secrets are in Crossplane's, as is the account that has some for all."""
    await site.pull_secret("pull")
    package = {"package": f"{site.open.host}/acme/app@{site.digest}"}
    named = site.subject("pkg.crossplane.io", "Provider", {**package, "packagePullSecrets": [{"name": "pull"}]})
    alone = site.subject("pkg.crossplane.io", "Provider", package)
    for asked in (named, alone):
        asked.namespace = ""
    assert REACHED in await site.said(named, crossplane_namespace=site.namespace)
    assert "crossplane-system/pull" in await site.said(named)
    assert "wants credentials" in await site.said(alone, crossplane_namespace=site.namespace)
    await site.create("ServiceAccount", "crossplane", imagePullSecrets=[{"name": "pull"}])
    assert REACHED in await site.said(alone, crossplane_namespace=site.namespace)


async def test_a_source_of_flux_has_an_account(site: Site) -> None:
    """The pull secrets of ``spec.serviceAccountName``; one that is named is read by name, and must be readable."""
    await site.pull_secret("pull")
    await site.create("ServiceAccount", "flux", imagePullSecrets=[{"name": "pull"}])
    assert REACHED in await site.said(site.oci_repository(site.open, serviceAccountName="flux"))
    assert "wants credentials" in await site.said(site.oci_repository(site.open))
    named = site.oci_repository(site.open, secretRef={"name": "pull"})
    assert REACHED in await site.said(named)
    assert f"pull secret {site.namespace}/pull: 403 Forbidden" in await site.said(named, user=NOBODY)


@pytest.mark.parametrize("names", [("ca.crt", "tls.crt", "tls.key"), ("caFile", "certFile", "keyFile")])
async def test_certificates_are_those_of_the_secret(site: Site, names: tuple[str, str, str]) -> None:
    """Of a source, and of a HelmRepository for its charts; by today's names and by those of before."""
    await site.secret("tls", dict(zip(names, (AUTHORITY.pem, *AUTHORITY.issue("tenant")), strict=True)))
    named = {"certSecretRef": {"name": "tls"}}
    assert REACHED in await site.said(site.oci_repository(site.strict, **named))
    charts = FileCharts()
    url = {"type": "oci", "url": f"oci://{site.strict.host}/acme"}
    charts.learn([site.subject(FLUX, "HelmRepository", {**url, **named})])
    chart = {"chart": "app", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "x"}}
    assert REACHED in await site.said(site.subject(FLUX, "HelmChart", chart), charts=charts)
    assert set(site.strict.shown) == {"tenant"}
    assert "unreachable" in await site.said(site.oci_repository(site.strict))
    unread = await site.said(site.oci_repository(site.strict, **named), pull_secrets=False)
    assert unread.startswith("unreachable:")
    assert "provenance.pullSecrets is false" in unread


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "there is no certificate Secret"),
        ({}, "has neither ca.crt nor tls.crt"),
        ({"ca.crt": PASSWORD}, "no certificates that can be used"),
        ({"tls.crt": AUTHORITY.pem.decode()}, "belong together"),
        ({"tls.crt": AUTHORITY.pem.decode(), "tls.key": PASSWORD}, "no client certificate with its key"),
    ],
)
async def test_certificates_that_cannot_be_used_leave_it_undecided(
    site: Site, data: dict[str, str] | None, text: str
) -> None:
    """With the Secret's name, and nothing of what is in it; the registry is not asked in another way."""
    if data is not None:
        await site.secret("tls", data)
    reason = await site.said(site.oci_repository(site.strict, certSecretRef={"name": "tls"}))
    assert f"certificate Secret {site.namespace}/tls" in reason
    assert text in reason
    assert not site.strict.requests


async def test_the_gateways_password_is_not_for_a_tenants_authority(site: Site, tmp_path: Path) -> None:
    """Whoever may say which certificates are good could have it sent to a server of theirs."""
    site.strict.password = PASSWORD
    auth = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {site.strict.host: {"auth": auth}}}))
    await site.secret("ca", {"ca.crt": AUTHORITY.pem})
    pair = dict(zip(("tls.crt", "tls.key"), AUTHORITY.issue("tenant"), strict=True))
    await site.secret("tls", {"ca.crt": AUTHORITY.pem, **pair})
    more = {"docker_config": str(tmp_path / "config.json")}
    reason = await site.said(site.oci_repository(site.strict, certSecretRef={"name": "tls"}), **more)
    assert "wants credentials" in reason
    assert {seen for _, seen in site.strict.requests} == {""}
    await site.pull_secret("pull", site.strict.host)
    named = {"certSecretRef": {"name": "tls"}, "secretRef": {"name": "pull"}}
    assert REACHED in await site.said(site.oci_repository(site.strict, **named), **more)


async def test_a_helm_repository_may_have_a_users_name_and_password(site: Site) -> None:
    """In its Secret; a pull secret does as well. An image's pull secret with the same keys is none."""
    await site.secret("login", {"username": "robot", "password": PASSWORD})
    await site.pull_secret("pull")
    chart = {"chart": "app", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "x"}}
    asked = site.subject(FLUX, "HelmChart", chart)
    for name in ("login", "pull"):
        charts = FileCharts()
        spec = {"type": "oci", "url": f"oci://{site.open.host}/acme", "secretRef": {"name": name}}
        charts.learn([site.subject(FLUX, "HelmRepository", spec)])
        assert REACHED in await site.said(asked, charts=charts)
        assert f"Secret {site.namespace}/{name}: 403 Forbidden" in await site.said(asked, charts=charts, user=NOBODY)
    assert "wants credentials" in await site.said(site.pod(imagePullSecrets=[{"name": "login"}]))


async def test_a_login_of_before_may_hold_certificates(site: Site) -> None:
    """By their old names alone; a Secret that is there for certificates goes before."""
    site.strict.password = PASSWORD
    login = {"username": "robot", "password": PASSWORD}
    pem = (AUTHORITY.pem, *AUTHORITY.issue("before"))
    await site.secret("old", {**login, **dict(zip(("caFile", "certFile", "keyFile"), pem, strict=True))})
    await site.secret("new", {**login, **dict(zip(("ca.crt", "tls.crt", "tls.key"), pem, strict=True))})
    chart = {"chart": "app", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "x"}}
    asked = site.subject(FLUX, "HelmChart", chart)
    url = f"oci://{site.strict.host}/acme"
    for more, reached in (
        ({"secretRef": {"name": "old"}}, True),
        ({"secretRef": {"name": "new"}}, False),
        ({"secretRef": {"name": "new"}, "certSecretRef": {"name": "old"}}, True),
    ):
        charts = FileCharts()
        charts.learn([site.subject(FLUX, "HelmRepository", {"type": "oci", "url": url, **more})])
        assert (REACHED in await site.said(asked, charts=charts)) is reached


async def test_argo_cds_repositories_are_known(site: Site) -> None:
    """Of its namespace, if the settings say so: for the project, by the longest beginning of the URL."""
    source = {"repoURL": f"{site.open.host}/acme", "chart": "app", "targetRevision": "1.0.0"}
    asked = site.subject("argoproj.io", "Application", {"source": source, "project": "team"})
    assert "nothing to log in with there" in await site.said(asked, argo_repositories=True)
    label = "argocd.argoproj.io/secret-type"
    login = {"type": "helm", "enableOCI": "true", "username": "robot", "password": PASSWORD}
    wrong = {"url": site.open.host, "username": "robot", "password": "wrong"}
    await site.secret("template", wrong, labels={label: "repo-creds"})
    assert "not taken" in await site.said(asked, argo_repositories=True)
    await site.secret("other", {"url": f"{site.open.host}/acme", **login, "project": "x"}, labels={label: "repository"})
    assert "not taken" in await site.said(asked, argo_repositories=True)
    await site.secret("own", {"url": f"{site.open.host}/acme", **login}, labels={label: "repository"})
    assert REACHED in await site.said(asked, argo_repositories=True)
    assert "argoRepositories is false" in await site.said(asked)
    assert "Argo CD's repositories" in await site.said(asked, argo_repositories=True, user=NOBODY)


async def test_argo_cd_may_have_a_clients_certificate(site: Site, tmp_path: Path) -> None:
    """With the authority of the settings."""
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.pem)
    certificate, key = AUTHORITY.issue("argo")
    source = {"repoURL": f"oci://{site.strict.host}/acme/app", "targetRevision": site.digest}
    data = {"url": f"oci://{site.strict.host}/", "tlsClientCertData": certificate, "tlsClientCertKey": key}
    await site.secret("r", data, labels={"argocd.argoproj.io/secret-type": "repo-creds"})
    asked = site.subject("argoproj.io", "Application", {"source": source})
    registries = (RegistrySettings((site.strict.host,), ca_file=str(tmp_path / "ca.crt")),)
    assert REACHED in await site.said(asked, argo_repositories=True, registries=registries)
    assert set(site.strict.shown) == {"argo"}
