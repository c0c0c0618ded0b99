"""The secrets guard at a real API server: who may write a plain Secret, what a SealedSecret is sealed for, whose Secret an
ExternalSecret would write. `govgate check` says the same of the same objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support.api import Api, ApiError
from support.cluster import Cluster, wait_for
from support.crds import EXTERNAL_SECRETS
from support.gateway import Gateway
from support.registration import registered
from support.sealing import PLAINTEXT, encoded, sealing
from support.users import ALICE, BOUNDED, GOVGATE, ROOT

from gateway.cli.app import run
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.scope import CLUSTER_WIDE, Scope
from gateway_secrets.sealed.sealing import seal_secret

pytestmark = pytest.mark.native

Json = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
SETTINGS = {
    "plain": {"demands": [{"namespaces": ["test-*"], "namespaceLabels": {"secrets": "sealed"}}]},
    "foreignTargets": "deny",
}


@pytest.fixture(scope="module")
def gateway(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A registered gateway with rights that are given below."""
    root, folder = cluster.api(ROOT), tmp_path_factory.mktemp("gateway")
    cluster.install(EXTERNAL_SECRETS)
    wait_for(lambda: known(root), seconds=60)
    drift = {name: {"mode": "disabled"} for name in ("fluxKustomization", "fluxHelmRelease", "argoCD")}
    gateway = Gateway(
        folder,
        cluster={"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(BOUNDED))},
        drift=drift,
        policy={"sources": []},
        secrets=SETTINGS,
    )
    authority = folder / "ca.crt"
    authority.write_bytes(gateway.authority.pem)
    with ExitStack() as ends:
        for item in rights():
            root.apply(item, manager="tests")
            ends.callback(root.delete, item, missing_ok=True)
        ends.callback(gateway.kill)
        gateway.start()
        ends.callback(gateway.stop)
        ends.enter_context(registered(cluster, f"https://127.0.0.1:{gateway.port}/v1/validate", authority))
        yield gateway


class Site(NamedTuple):
    """A namespace that is guarded: who administrates it, and who works in it."""

    root: Api
    alice: Api
    namespace: str


@pytest.fixture
def site(cluster: Cluster, api: Api, gateway: Gateway, namespace: str) -> Site:
    """Secrets come sealed there, and the gateway may ask whose one is."""
    site = Site(api, cluster.api(ALICE), namespace)
    for item in rights(namespace):
        api.create(item)
    api.patch(api.get("v1", "Namespace", "", namespace), {"metadata": {"labels": {"secrets": "sealed"}}})
    probe = plain(namespace, "probe", stringData={"a": "b"})
    wait_for(lambda: tried(site.alice, probe, dry_run=True) != "", seconds=60)
    return site


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Have `govgate check` judge one object: the exit code, and the ids of what is found."""

    def judge(item: Json, *options: str, **secrets: Any) -> tuple[int, list[str]]:
        file, config = tmp_path / "item.json", tmp_path / "check.yaml"
        file.write_text(json.dumps(item))
        config.write_text(yaml.safe_dump({"secrets": secrets}))
        code = run(["check", str(file), "--config", str(config), "-o", "json", *options])
        return code, [found["id"] for found in json.loads(capsys.readouterr().out)["findings"]]

    return judge


def known(api: Api) -> bool:
    try:
        return bool(api.list("external-secrets.io/v1beta1", "ExternalSecret", "default") or True)
    except (ApiError, KeyError):
        return False


def rights(namespace: str = "") -> list[Json]:
    """Of the gateway: to read Namespaces and policies everywhere, or single Secrets in one namespace."""
    rules = [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch", "get"]},
        {"apiGroups": ["govgate.dev"], "resources": ["*"], "verbs": ["list", "watch"]},
    ]
    if namespace:
        rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    return granted(rules, **({"namespace": namespace} if namespace else {}))


def granted(rules: list[Json], name: str = "tests-secrets-guard", account: str = "bounded", **where: str) -> list[Json]:
    """A role of the gateway's service account, or of govgate's own."""
    kind = "Role" if where else "ClusterRole"
    metadata = {"name": name, **where}
    role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules}
    bound = {"apiVersion": f"{RBAC}/v1", "kind": f"{kind}Binding", "metadata": metadata}
    whose = [{"kind": "ServiceAccount", "name": account, "namespace": "govgate-system"}]
    return [role, bound | {"roleRef": {"apiGroup": RBAC, "kind": kind, "name": name}, "subjects": whose}]


def tried(api: Api, item: Json, *, dry_run: bool = False) -> str:
    """What the API server answers to who creates it; empty if it takes it."""
    path = api.path(item["apiVersion"], item["kind"], item["metadata"]["namespace"])
    try:
        api.call("POST", f"{path}?dryRun=All" if dry_run else path, item)
    except ApiError as error:
        return str(error)
    return ""


def plain(namespace: str, name: str, **more: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **more}


def external(namespace: str, name: str, target: str, version: str = "v1") -> Json:
    store = {"secretStoreRef": {"name": "kv"}}
    spec = {**store, "target": {"name": target}, "dataFrom": [{"extract": {"key": "kv/db"}}]}
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": f"external-secrets.io/{version}",
        "kind": "ExternalSecret",
        "metadata": metadata,
        "spec": spec,
    }


def test_secrets_come_sealed(cluster: Cluster, site: Site, check: Any) -> None:
    """In a namespace whose labels say so: no person writes one, the controllers do. A check of the file says the same."""
    namespace, values = site.namespace, {"stringData": {"password": PLAINTEXT}}
    said = tried(site.alice, plain(namespace, "db", **values))
    assert "holds values in plain text (password)" in said
    assert "govgate seal FILE" in said
    assert PLAINTEXT not in said
    demands = {"demands": [{"namespaces": [namespace]}]}
    code, (found,) = check(plain(namespace, "db", **values), plain=demands)
    assert (code, found in said) == (3, True)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci", "namespace": namespace}}
    site.root.create(account)
    wanted = {"annotations": {"kubernetes.io/service-account.name": "ci"}}
    site.root.create(plain(namespace, "token", type="kubernetes.io/service-account-token", metadata=wanted))
    assert tried(site.root, plain("default", "elsewhere", **values), dry_run=True) == ""
    # Not by its owner reference, but by who it is.
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    for item in granted(rules, "tests-writes", "govgate", namespace=namespace):
        site.root.create(item)
    controller = cluster.api(GOVGATE)
    wait_for(lambda: "is forbidden: User" not in tried(controller, plain(namespace, "probe"), dry_run=True), seconds=60)
    assert tried(controller, plain(namespace, "db", **values)) == ""


def test_sealed_secrets_stand_where_they_are_sealed_for(site: Site, check: Any) -> None:
    """By the note: not under another name, and not with another scope, also when that is changed later."""
    secret = Secret("db", site.namespace, {"password": PLAINTEXT.encode()})
    document = seal_secret(secret, Scope.STRICT, sealing()).document
    site.alice.create(document)
    renamed = document | {"metadata": document["metadata"] | {"name": "other"}}
    said = tried(site.alice, renamed)
    assert f"is sealed for {site.namespace}/db alone (strict), and stands for {site.namespace}/other alone" in said
    code, (found,) = check(renamed)
    assert (code, found in said) == (3, True)
    with pytest.raises(ApiError, match="secrets/sealed-scope"):
        site.alice.patch(document, {"metadata": {"annotations": {CLUSTER_WIDE: "true"}}})
    site.alice.patch(document, {"metadata": {"labels": {"a": "b"}}})


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_external_secrets_write_their_own(site: Site, check: Any, version: str, tmp_path: Path) -> None:
    """Not over a Secret that is there, unless that one lets them. Where the gateway may not read it, it is undecided."""
    namespace = site.namespace
    site.root.create(plain(namespace, "foreign", data={"password": ""}))
    over = external(namespace, "db", "foreign", version)
    said = tried(site.alice, over)
    assert "would write over Secret foreign (creationPolicy Owner), which it did not make" in said
    mine = external(namespace, "db", "db", version)
    assert tried(site.alice, mine) == ""
    let = {"metadata": {"annotations": {"secrets.govgate.dev/written-by": "late"}}}
    site.root.patch(plain(namespace, "foreign"), let)
    assert tried(site.alice, external(namespace, "late", "foreign", version)) == ""
    unread = tried(site.alice, external("default", "db", "db", version), dry_run=True)
    assert "could not decide" in unread
    assert "is forbidden" in unread

    options = {"foreignTargets": "deny", "external": "off"}
    assert check(over, **options) == (3, [])  # not known
    context = tmp_path / "context.json"
    context.write_text(json.dumps(captured(site.root, namespace)))
    code, (found,) = check(over, "--context", str(context), **options)
    assert (code, found in said) == (3, True)
    assert check(mine, "--context", str(context), **options) == (0, [])


def captured(api: Api, namespace: str) -> Json:
    """A context with the one Secret as `--capture-context` writes it."""
    secret = api.get("v1", "Secret", namespace, "foreign")
    del secret["data"]
    secret["metadata"].pop("annotations", None)
    objects = {"namespace": {namespace: {"v1": {"Secret": {"foreign": secret}}}}}
    head = {"apiVersion": "govgate.dev/v1alpha1", "kind": "ContextSnapshot", "captured": "2026-11-26T00:00:00Z"}
    return head | {"inventory": {"kinds": ["v1/Secret"], "objects": objects}}


def test_the_context_holds_no_values(
    cluster: Cluster, api: Api, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check --capture-context` reads whose the Secrets are, if ExternalSecrets are judged by that."""
    api.create(plain(namespace, "foreign", data={"password": encoded(PLAINTEXT.encode())}))
    config = tmp_path / "config.yaml"
    connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT))}
    config.write_text(
        yaml.safe_dump(
            {
                "cluster": connection,
                "secrets": {"foreignTargets": "warn"},
            }
        )
    )
    assert run(["check", "--capture-context", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    held = json.loads(shown)["inventory"]["objects"]["namespace"][namespace]["v1"]["Secret"]["foreign"]
    assert held["metadata"]["name"] == "foreign"
    assert (PLAINTEXT in shown, encoded(PLAINTEXT.encode()) in shown) == (False, False)
