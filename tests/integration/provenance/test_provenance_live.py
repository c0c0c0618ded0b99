"""A real API server that asks a real govgate, which watches its TrustPolicies and asks a real registry."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import Api, ApiError
from support.cluster import Cluster
from support.cosign import Cosign
from support.crds import PACKAGES
from support.gateway import Gateway, eventually
from support.registration import registered
from support.registries import FaultyRegistry, RealRegistry, copy_tag, push
from support.users import GOVGATE, ROOT

from gateway.config.load import parse_config
from gateway.config.model import Cluster as Connection
from gateway.config.provenance import Provenance, RegistrySettings, TrustAuthority, TrustedKey, TrustPolicy
from gateway.kube import connect
from gateway.provenance.gate import Gate, Reach
from gateway.provenance.oci.errors import UnauthorisedError
from gateway.provenance.oci.reference import Reference
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import make_ready
from webhooks.pull_secrets import PullSecrets
from webhooks.trust import cluster_trust, configured_trust

Json = dict[str, Any]
CRD = Path(__file__).parents[3] / "charts/govgate/files/crds/trustpolicies.yaml"
FLUX = "source.toolkit.fluxcd.io"
RBAC = "rbac.authorization.k8s.io"
VERIFY = {"provider": "cosign", "secretRef": {"name": "key"}}
_names = count(1)

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def gateway(cluster: Cluster, registry: RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """``govgate serve`` that may read what the documentation says, and Secrets besides."""
    root = cluster.api(ROOT)
    root.apply(yaml.safe_load(CRD.read_text()), manager="tests")
    cluster.install(PACKAGES)
    rules = [
        {"apiGroups": ["govgate.dev"], "resources": ["trustpolicies"], "verbs": ["list", "watch"]},
        {"apiGroups": [FLUX], "resources": ["helmrepositories", "helmcharts"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets", "configmaps", "serviceaccounts"], "verbs": ["get"]},
    ]
    named = {"metadata": {"name": "govgate-provenance"}, "apiVersion": f"{RBAC}/v1"}
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "govgate-provenance"}
    subject = {"kind": "ServiceAccount", "name": "govgate", "namespace": "govgate-system"}
    root.apply({**named, "kind": "ClusterRole", "rules": rules}, manager="tests")
    root.apply({**named, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]}, manager="tests")
    folder = tmp_path_factory.mktemp("gateway")
    server = Gateway(
        folder,
        cluster={"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(GOVGATE))},
        audit={"mode": "durable"},
        policy={"sources": []},
        drift={name: {"mode": "disabled"} for name in ("fluxKustomization", "fluxHelmRelease", "argoCD")},
        provenance={
            "registries": [{"hosts": [registry.host], "plainHttp": True}],
            "pullSecrets": True,
            "referenceNamespaces": ["test-*"],
            "referenceSeconds": 1,
            "timeoutSeconds": 30,  # a busy machine is not what is tested
        },
    )
    authority = folder / "ca.crt"
    authority.write_bytes(server.authority.pem)
    try:
        server.start()
        url = f"https://127.0.0.1:{server.port}/v1/validate"
        with registered(cluster, url, authority, "--timeout-seconds", "30"):
            yield server
        server.stop()
    finally:
        server.kill()


def trust_policy(name: str, registry: RealRegistry, cosign: Cosign, **more: Any) -> Json:
    authorities = [{"name": "release", "keys": [{"id": "2026", "pem": cosign.key.read_text()}]}]
    spec = {"repositories": [f"{registry.host}/live/**"], "authorities": authorities, **more}
    return {"apiVersion": "govgate.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def trusted(
    cluster: Cluster, gateway: Gateway, registry: RealRegistry, cosign: Cosign, namespace: str
) -> Iterator[Api]:
    """The API as somebody, while a TrustPolicy is in force."""
    root = cluster.api(ROOT)
    policy = trust_policy("live", registry, cosign)
    root.apply(policy, manager="tests")
    unsigned = oci_repository(namespace, asyncio.run(pushed(registry)))
    eventually(lambda: "TrustPolicy live" in refused(root, unsigned))
    yield root
    root.delete(policy, missing_ok=True)


async def pushed(registry: RealRegistry, tag: str = "1.0.0") -> str:
    repository = f"live/app-{next(_names)}"
    digest = await push(registry.host, repository, tag, {"a.yaml": repository.encode()})
    return f"{registry.host}/{repository}@{digest}"


def oci_repository(namespace: str, reference: str) -> Json:
    name, _, digest = reference.partition("@")
    spec = {"url": f"oci://{name}", "interval": "1m", "ref": {"digest": digest}, "verify": VERIFY}
    metadata = {"name": "app", "namespace": namespace}
    return {"apiVersion": f"{FLUX}/v1", "kind": "OCIRepository", "metadata": metadata, "spec": spec}


def refused(api: Api, item: Json) -> str:
    """Why the API server does not take it; empty if it does (and nothing is kept)."""
    path = api.path(item["apiVersion"], item["kind"], item["metadata"].get("namespace", ""))
    try:
        api.call("POST", f"{path}?dryRun=All", item)
    except ApiError as error:
        return str(error)
    return ""


def test_a_signed_source_is_admitted(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str, gateway: Gateway
) -> None:
    """And what was verified, by whose key, is in the audit log."""
    signed = asyncio.run(pushed(registry))
    cosign.sign(signed)
    trusted.create(oci_repository(namespace, signed))
    reasons = [reason for record in gateway.records() for reason in record["verdict"]["reasons"]]
    assert any(f"{signed}: verified by TrustPolicy live (key 2026)" in reason for reason in reasons)


def test_other_sources_are_denied(
    trusted: Api, registry: RealRegistry, cosign: Cosign, stranger: Cosign, namespace: str
) -> None:
    """Unsigned, by another key, with a signature that was moved, of another content: with what a person can do."""
    unsigned, foreign = (asyncio.run(pushed(registry)) for _ in range(2))
    assert "no signature was found" in refused(trusted, oci_repository(namespace, unsigned))
    assert "sign it, and push the signature" in refused(trusted, oci_repository(namespace, unsigned))
    stranger.sign(foreign)
    assert "not accepted" in refused(trusted, oci_repository(namespace, foreign))
    repository = f"live/app-{next(_names)}"
    names = [asyncio.run(push(registry.host, repository, tag, {"a": tag.encode()})) for tag in ("a", "b")]
    signed, tampered = (f"{registry.host}/{repository}@{digest}" for digest in names)
    cosign.sign(signed, "legacy")
    tags = [digest.replace(":", "-") + ".sig" for digest in names]
    asyncio.run(copy_tag(f"{registry.host}/{repository}", *tags))
    assert "subject" in refused(trusted, oci_repository(namespace, tampered))
    assert refused(trusted, oci_repository(namespace, signed)) == ""


def test_pods_and_workloads_are_judged(trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str) -> None:
    """By the same policy; the message names the container."""
    signed, unsigned = asyncio.run(pushed(registry)), asyncio.run(pushed(registry))
    cosign.sign(signed)

    def pod(image: str) -> Json:
        metadata = {"name": "p", "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": [{"name": "main", "image": image}]},
        }

    assert refused(trusted, pod(signed)) == ""
    assert "containers[name=main].image" in refused(trusted, pod(unsigned))
    assert refused(trusted, pod("elsewhere.example/app:1")) == ""


def test_charts_are_judged_through_their_repository(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str
) -> None:
    """Also where the repository comes after the release; a pull secret that is broken leaves it undecided."""
    signed, unsigned = asyncio.run(pushed(registry)), asyncio.run(pushed(registry))
    cosign.sign(signed)
    metadata = {"name": "charts", "namespace": namespace}
    repository = {
        "apiVersion": f"{FLUX}/v1",
        "kind": "HelmRepository",
        "metadata": metadata,
        "spec": {"type": "oci", "url": f"oci://{registry.host}/live"},
    }

    def release(reference: str) -> Json:
        chart = {"chart": reference.partition("@")[0].rpartition("/")[2], "version": "1.0.0"}
        source = {"kind": "HelmRepository", "name": "charts"}
        spec = {"chart": {"spec": {**chart, "sourceRef": source, "verify": VERIFY}}}
        item = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "spec": spec}
        return {**item, "metadata": {"name": "app", "namespace": namespace}}

    assert refused(trusted, release(unsigned)) == ""
    trusted.create(repository)
    eventually(lambda: "no signature was found" in refused(trusted, release(unsigned)))
    assert refused(trusted, release(signed)) == ""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull", "namespace": namespace},
        "type": "Opaque",
        "data": {".dockerconfigjson": base64.b64encode(b"open-sesame").decode()},
    }
    trusted.create(secret)
    broken = oci_repository(namespace, signed)
    broken["spec"]["secretRef"] = {"name": "pull"}
    text = refused(trusted, broken)
    assert "pull secret" in text
    assert "sesame" not in text


def test_a_repository_that_moves_takes_its_charts_along(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str
) -> None:
    """A HelmRepository's new URL is judged by the charts that HelmCharts will fetch from there."""
    repositories = [f"live/{where}/app" for where in ("signed", "unsigned")]
    for name, signer in zip(repositories, (cosign, None), strict=True):
        digest = asyncio.run(push(registry.host, name, "1.0.0", {"a": name.encode()}))
        if signer is not None:
            signer.sign(f"{registry.host}/{name}@{digest}")
    metadata = {"name": "moving", "namespace": namespace}
    url = f"oci://{registry.host}/live"
    repository = {
        "apiVersion": f"{FLUX}/v1",
        "kind": "HelmRepository",
        "metadata": metadata,
        "spec": {"type": "oci", "url": f"{url}/signed"},
    }
    source = {"kind": "HelmRepository", "name": "moving"}
    chart = {
        "apiVersion": f"{FLUX}/v1",
        "kind": "HelmChart",
        "metadata": metadata,
        "spec": {"chart": "app", "version": "1.0.0", "sourceRef": source, "verify": VERIFY},
    }
    trusted.create(repository)
    eventually(lambda: refused(trusted, chart) == "")
    trusted.create(chart)

    def moved(to: str) -> str:
        path = trusted.path(repository["apiVersion"], "HelmRepository", namespace, "moving")
        try:
            trusted.call(
                "PATCH", f"{path}?dryRun=All", {"spec": {"url": to}}, content_type="application/merge-patch+json"
            )
        except ApiError as error:
            return str(error)
        return ""

    eventually(lambda: "no signature was found" in moved(f"{url}/unsigned"))
    assert moved("https://charts.example.com") == ""


async def test_pull_secrets_open_a_registry(cluster: Cluster, namespace: str, cosign: Cosign) -> None:
    """Those that the object names, as kubelet would; without them it is undecided."""
    async with FaultyRegistry().serve() as faulty:
        faulty.password = "open-sesame"
        digest = faulty.add_artifact("v1")
        auth = base64.b64encode(b"robot:open-sesame").decode()
        config = json.dumps({"auths": {faulty.host: {"auth": auth}}}).encode()
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull", "namespace": namespace},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": base64.b64encode(config).decode()},
        }
        await asyncio.to_thread(cluster.api(ROOT).create, secret)
        connection = Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT)))
        client = await connect(connection)
        assert client is not None
        gate = Gate(Provenance(registries=(RegistrySettings((faulty.host,), plain_http=True),)))
        authority = TrustAuthority("a", keys=(TrustedKey(pem=cosign.key.read_text()),))
        policy = TrustPolicy(repositories=("**",), authorities=(authority,), name="p")
        ready = await make_ready(read_policy(policy, source="test"), trial=False)
        reference = Reference(faulty.host, "acme/app", digest=digest)
        try:
            with pytest.raises(UnauthorisedError):
                await gate.judge(reference, [ready])
            for names in (["none", "pull"], ["pull"]):
                keychain = await PullSecrets(client)(namespace, names)
                (verdict,) = await gate.judge(reference, [ready], Reach(keychain, who="/".join(names)))
                assert "no signature was found" in verdict.results[0].assessment.problems[0].message
            assert await PullSecrets(client)(namespace, ["none"]) is None
        finally:
            await gate.close()
            await client.close()


def test_a_policy_that_cannot_be_used_is_refused(
    cluster: Cluster, gateway: Gateway, registry: RealRegistry, cosign: Cosign
) -> None:
    """When it is written, whatever the schema lets through."""
    root = cluster.api(ROOT)
    policy = trust_policy("broken", registry, cosign)
    policy["spec"]["authorities"][0]["keys"][0]["pem"] = "garbage"
    assert "PEM" in refused(root, policy)


def test_a_policy_is_in_force_while_it_is_there(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str
) -> None:
    """A change of its key is seen; with the policy gone, nobody asks any more."""
    signed = asyncio.run(pushed(registry))
    cosign.sign(signed)
    source = oci_repository(namespace, signed)
    assert refused(trusted, source) == ""
    revoked = trust_policy("live", registry, cosign)
    revoked["spec"]["authorities"][0]["keys"][0]["revokedAt"] = "2026-01-01T00:00:00Z"
    trusted.apply(revoked, manager="tests")
    eventually(lambda: "revoked" in refused(trusted, source))
    trusted.delete(revoked)
    unsigned = oci_repository(namespace, asyncio.run(pushed(registry)))
    eventually(lambda: refused(trusted, unsigned) == "")


@pytest.mark.usefixtures("gateway")
def test_a_policy_may_have_its_keys_from_objects(
    cluster: Cluster, registry: RealRegistry, cosign: Cosign, stranger: Cosign, namespace: str
) -> None:
    """It may come before them, and follows them: replaced keys are in force soon, and without them it is undecided."""
    root = cluster.api(ROOT)
    signed = asyncio.run(push(registry.host, "referring/app", "v1", {"a": b"referring"}))
    reference = f"{registry.host}/referring/app@{signed}"
    cosign.sign(reference)
    source = oci_repository(namespace, reference)
    for kind, ref in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
        keys = [{ref: {"name": "keys", "key": "cosign.pub", "namespace": namespace}}]
        policy = trust_policy(f"referring-{kind.lower()}", registry, cosign, authorities=[{"name": "a", "keys": keys}])
        policy["spec"]["repositories"] = [f"{registry.host}/referring/**"]
        root.apply(policy, manager="tests")
        assert any("undecided until it can be read" in warning for warning in root.warnings)
        eventually(lambda: "cannot be used" in refused(root, source), seconds=60)
        held = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "keys", "namespace": namespace}}
        field = "stringData" if kind == "Secret" else "data"
        root.create({**held, field: {"cosign.pub": cosign.key.read_text()}})
        eventually(lambda: refused(root, source) == "", seconds=60)
        if kind == "ConfigMap":
            root.apply({**held, field: {"cosign.pub": stranger.key.read_text()}}, manager="tests")
            eventually(lambda: "not accepted" in refused(root, source), seconds=60)
            root.delete(held)
            eventually(lambda: "cannot be used" in refused(root, source), seconds=60)
        root.delete(policy)
        eventually(lambda: refused(root, source) == "", seconds=60)


async def test_the_configuration_may_refer_too(cluster: Cluster, namespace: str, cosign: Cosign) -> None:
    """To any namespace, as whoever writes it says what the gateway may read; told of while it cannot be read."""
    key = {"secretKeyRef": {"name": "keys", "key": "cosign.pub", "namespace": namespace}}
    policy = {"name": "own", "repositories": ["ghcr.io/acme/**"], "authorities": [{"name": "a", "keys": [key]}]}
    document = {
        "cluster": {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT))},
        "provenance": {"policies": [policy], "referenceSeconds": 1},
    }
    config = parse_config(json.dumps(document).encode(), source="test")
    client = await connect(config.cluster)
    assert client is not None
    trust = cluster_trust(config, client, await configured_trust(config.provenance), lambda: None)

    async def until(name: str, *, usable: bool) -> None:
        def holds() -> bool:
            return [not one.trust.unusable for one in trust.policies() if one.trust.name == name] == [usable]

        await asyncio.to_thread(eventually, holds, seconds=60)

    try:
        trust.start()
        await until("own", usable=False)
        assert "404" in trust.warnings()["TrustPolicy own (configuration)"]
        held = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": namespace}}
        data = {"cosign.pub": base64.b64encode(cosign.key.read_bytes()).decode()}
        await asyncio.to_thread(cluster.api(ROOT).create, {**held, "data": data})
        await until("own", usable=True)
        assert "TrustPolicy own (configuration)" not in trust.warnings()
    finally:
        await trust.close()
        await client.close()


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("authority", "text"),
    [
        ({"keys": [{"id": "none"}]}, "exactly one of pem"),
        ({"keys": [{"pem": "x", "secretKeyRef": {"name": "n", "key": "k"}}]}, "exactly one of pem"),
        ({"keys": [{"secretKeyRef": {"name": "n"}}]}, "secretKeyRef.key"),
        ({"trustedRoot": {"json": "{}", "configMapKeyRef": {"name": "n", "key": "k"}}}, "one of json"),
        ({"notation": {"pem": "x", "secretKeyRef": {"name": "n", "key": "../k"}}}, "notation"),
        ({"keys": [{"secretKeyRef": {"name": "n", "key": "k", "namespace": "kube-system"}}]}, "referenceNamespaces"),
    ],
)
def test_references_are_checked_by_the_cluster(
    cluster: Cluster, registry: RealRegistry, cosign: Cosign, authority: Json, text: str
) -> None:
    """By its schema; and by the gateway, whose Secrets others are."""
    policy = trust_policy("wrong", registry, cosign, authorities=[{"name": "a", **authority}])
    assert text in refused(cluster.api(ROOT), policy)


POD = {"containers": [{"name": "main", "image": "registry.example.com/not/ours:1"}]}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}}
SELECTED = {"selector": {"matchLabels": {"app": "x"}}}


def pod_of(image: str, where: str) -> Json:
    """The spec of a Pod with this image in a container of this kind."""
    return {**POD, where: [{"name": "judged", "image": image}]}


WORKLOADS: dict[str, tuple[str, Callable[[Json], Json]]] = {
    "Pod": ("v1", lambda pod: pod),
    "ReplicationController": ("v1", lambda pod: {"template": {**TEMPLATE, "spec": pod}}),
    "Deployment": ("apps/v1", lambda pod: {**SELECTED, "template": {**TEMPLATE, "spec": pod}}),
    "ReplicaSet": ("apps/v1", lambda pod: {**SELECTED, "template": {**TEMPLATE, "spec": pod}}),
    "DaemonSet": ("apps/v1", lambda pod: {**SELECTED, "template": {**TEMPLATE, "spec": pod}}),
    "StatefulSet": ("apps/v1", lambda pod: {**SELECTED, "serviceName": "x", "template": {**TEMPLATE, "spec": pod}}),
    "Job": ("batch/v1", lambda pod: {"template": {**TEMPLATE, "spec": {**pod, "restartPolicy": "Never"}}}),
    "CronJob": (
        "batch/v1",
        lambda pod: {
            "schedule": "* * * * *",
            "jobTemplate": {"spec": {"template": {**TEMPLATE, "spec": {**pod, "restartPolicy": "Never"}}}},
        },
    ),
}


def test_every_kind_that_makes_pods_is_judged(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str
) -> None:
    """By a real API server, with its own defaults filled in: init containers too; the message says which, and what to do."""
    signed, unsigned = asyncio.run(pushed(registry)), asyncio.run(pushed(registry))
    cosign.sign(signed)
    for kind, (version, wrapped) in WORKLOADS.items():
        for where in ("containers", "initContainers"):
            item = {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": namespace}}
            assert refused(trusted, {**item, "spec": wrapped(pod_of(signed, where))}) == "", kind
            text = refused(trusted, {**item, "spec": wrapped(pod_of(unsigned, where))})
            assert f"{where}[name=judged].image: {unsigned}: not signed by release" in text, kind
            assert "sign it, and push the signature to the same repository" in text, kind


def test_ephemeral_containers_are_judged(trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str) -> None:
    """They come by a subresource, into a Pod that runs."""
    signed, unsigned = asyncio.run(pushed(registry)), asyncio.run(pushed(registry))
    cosign.sign(signed)
    metadata = {"name": "x", "namespace": namespace}
    trusted.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_of(signed, "containers")})
    path = f"/api/v1/namespaces/{namespace}/pods/x/ephemeralcontainers?dryRun=All"

    def debug(image: str) -> Json:
        added = {"spec": {"ephemeralContainers": [{"name": "debug", "image": image}]}}
        return trusted.call("PATCH", path, added, content_type="application/strategic-merge-patch+json")

    assert debug(signed)["spec"]["ephemeralContainers"][0]["image"] == signed
    with pytest.raises(ApiError, match=r"ephemeralContainers\[name=debug\]\.image.*no signature was found"):
        debug(unsigned)


def test_every_kind_that_names_an_artifact_is_judged(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str
) -> None:
    """Argo CD's Applications and what makes them, Crossplane's packages; a HelmChart, by the version that it stands for."""
    signed, unsigned = asyncio.run(pushed(registry)), asyncio.run(pushed(registry))
    cosign.sign(signed)

    def source(reference: str) -> Json:
        name, _, digest = reference.partition("@")
        return {"source": {"repoURL": f"oci://{name}", "targetRevision": digest, "path": "."}}

    specs: dict[str, tuple[str, Callable[[str], Json]]] = {
        "Application": ("argoproj.io/v1alpha1", source),
        "ApplicationSet": ("argoproj.io/v1alpha1", lambda reference: {"template": {"spec": source(reference)}}),
        "Provider": ("pkg.crossplane.io/v1", lambda reference: {"package": reference}),
        "Configuration": ("pkg.crossplane.io/v1", lambda reference: {"package": reference}),
        "Function": ("pkg.crossplane.io/v1", lambda reference: {"package": reference}),
        "ProviderRevision": ("pkg.crossplane.io/v1", lambda reference: {"image": reference}),
    }
    for kind, (version, spec) in specs.items():
        metadata = {"name": "x"} if "crossplane" in version else {"name": "x", "namespace": namespace}
        item = {"apiVersion": version, "kind": kind, "metadata": metadata}
        assert refused(trusted, {**item, "spec": spec(signed)}) == "", kind
        text = refused(trusted, {**item, "spec": spec(unsigned)})
        assert f"{unsigned}: not signed by release: no signature was found" in text, kind
        assert "sign it, and push the signature to the same repository" in text, kind


def test_ranges_are_judged_by_the_version_that_they_stand_for(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str, gateway: Gateway
) -> None:
    """Of an OCIRepository and of a HelmChart: the audit log has the tag that was judged; a newer one that is unsigned is
    what is denied.
    """
    name = f"live/app-{next(_names)}"
    older = asyncio.run(push(registry.host, name, "1.2.0", {"a": b"1"}))
    cosign.sign(f"{registry.host}/{name}@{older}")
    metadata = {"name": "ranged", "namespace": namespace}
    repository = {
        "apiVersion": f"{FLUX}/v1",
        "kind": "HelmRepository",
        "metadata": metadata,
        "spec": {"type": "oci", "url": f"oci://{registry.host}/live"},
    }
    chart_source = {"kind": "HelmRepository", "name": "ranged"}
    chart = {"chart": name.rpartition("/")[2], "version": "1.x", "sourceRef": chart_source, "verify": VERIFY}
    source = {"url": f"oci://{registry.host}/{name}", "interval": "1m", "ref": {"semver": "1.x"}, "verify": VERIFY}
    items = [
        {"apiVersion": f"{FLUX}/v1", "kind": kind, "metadata": metadata, "spec": spec}
        for kind, spec in (("OCIRepository", source), ("HelmChart", chart))
    ]
    trusted.create(repository)
    for item in items:
        eventually(lambda item=item: refused(trusted, item) == "")
    reasons = [reason for record in gateway.records() for reason in record["verdict"]["reasons"]]
    judged = f"{registry.host}/{name}:1.2.0 ({older}, the newest in 1.x): verified by TrustPolicy live"
    assert sum(judged in reason for reason in reasons) >= len(items)
    newer = asyncio.run(push(registry.host, name, "1.10.0", {"a": b"2"}))
    for item in items:
        text = refused(trusted, item)
        assert f"{registry.host}/{name}:1.10.0 ({newer}, the newest in 1.x): not signed by release" in text


def test_what_provenance_costs_is_in_the_metrics(
    trusted: Api, registry: RealRegistry, cosign: Cosign, namespace: str, gateway: Gateway
) -> None:
    """Of all workers together."""
    names = [f"govgate_provenance_{name}" for name in (
        'registry_requests_total{result="ok"}',
        'verifications_total{outcome="satisfied"}',
        'cache_events_total{event="miss"}',
        "verification_seconds_count",
    )]  # fmt: skip
    before = [gateway.metric(name) for name in names]
    signed = asyncio.run(pushed(registry))
    cosign.sign(signed)
    assert refused(trusted, oci_repository(namespace, signed)) == ""
    after = [gateway.metric(name) for name in names]
    assert all(now > then for now, then in zip(after, before, strict=True))
