"""One write that two webhooks are asked about is one use; what no webhook saw approved lets nothing through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from recordings.objects import FLUX, config_map, deployment, labelled
from support.api import STRATEGIC, Api, ApiError
from support.cluster import Cluster, wait_for
from support.drill import run
from support.gateway import Gateway
from support.grants import grant_object
from support.registration import registered
from support.users import ALICE, BOB, KUSTOMIZE_CONTROLLER, ROOT, TENANT, User

from webhooks.breakglass.grant import read_grant, spec_digest

Json = dict[str, Any]
pytestmark = pytest.mark.native
API = "govgate.dev/v1alpha1"
OWN = "govgate-system"
RULE = """package main

import rego.v1

deny contains "no hot fixes" if {
	some container in input.spec.template.spec.containers
	contains(container.image, "hotfix")
}
"""
HOTFIX = "registry.example.com/storefront/api:hotfix"


@pytest.fixture(scope="module")
def split(cluster: Cluster, prepared: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a rule; the policy guard is asked by a webhook of its own."""
    folder = tmp_path_factory.mktemp("split")
    rules = folder / "rules"
    rules.mkdir()
    (rules / "main.rego").write_text(RULE)
    gateway = Gateway(folder, cluster=prepared, audit={"mode": "durable"}, policy={"sources": [str(rules)]})
    authority = folder / "ca.crt"
    authority.write_bytes(gateway.authority.pem)
    try:
        gateway.start()
        options = ("--failure-policy-of", "policy=Ignore")
        with registered(cluster, f"https://127.0.0.1:{gateway.port}/v1/validate", authority, *options):
            yield gateway
    finally:
        gateway.kill()


@pytest.fixture
def registration(cluster: Cluster, split: Gateway) -> Json:
    """Of that gateway."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return {**kind, **cluster.api(ROOT).get(*kind.values(), "", "govgate")}


def managed(cluster: Cluster, namespace: str) -> Json:
    item = labelled(deployment(namespace), dict(zip(FLUX, ("web", namespace), strict=True)))
    return cluster.api(KUSTOMIZE_CONTROLLER).apply(item, manager="kustomize-controller")


def asked(api: Api, namespace: str, **spec: Any) -> Json:
    scope = {"namespaces": [namespace], "kinds": ["apps/Deployment"], "names": ["api"], "guards": ["drift", "policy"]}
    expires = datetime.now(UTC) + timedelta(hours=1)
    document = grant_object("x", by=api.user.name, expires=expires, **({"scope": scope} | spec))
    document["metadata"] = {"generateName": f"{namespace}-"}
    return api.create(document)


def approval(grant: Json, approver: User) -> Json:
    return {"approval": {"approver": approver.name, "specDigest": spec_digest(read_grant(grant).spec)}}


def write_status(api: Api, grant: Json, status: Json) -> Json:
    return api.patch(grant, {"status": status}, subresource="status")


def told(api: Api, namespace: str, image: str, *, dry_run: bool = False) -> str:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": image}]}}}}
    path = api.path("apps/v1", "Deployment", namespace, "api")
    try:
        api.call("PATCH", f"{path}{'?dryRun=All' if dry_run else ''}", patch, content_type=STRATEGIC)
    except ApiError as error:
        return str(error)
    return ""


def status(cluster: Cluster, grant: Json) -> Json:
    found = cluster.api(ROOT).get(API, "BreakGlass", "", grant["metadata"]["name"])
    return found.get("status") or {}


def test_one_write_is_one_use(cluster: Cluster, split: Gateway, namespace: str) -> None:
    """Both webhooks refuse it, the grant covers both: it goes through with the one use that there is, which holds both."""
    managed(cluster, namespace)
    alice = cluster.api(ALICE)
    refused = told(alice, namespace, HOTFIX)
    assert "would change from" in refused or "no hot fixes" in refused
    grant = asked(alice, namespace)
    write_status(cluster.api(BOB), grant, approval(grant, BOB))
    wait_for(lambda: not told(alice, namespace, HOTFIX), seconds=60)
    kept = status(cluster, grant)
    assert (kept["used"], len(kept["uses"])) == (1, 1)
    fields = {one.get("field", "") for one in kept["uses"][0]["fields"]}
    assert {"spec.template.spec.containers[name=api].image", ""} <= fields
    uid = cluster.api(ROOT).get("apps/v1", "Deployment", namespace, "api")["metadata"]["uid"]
    assert kept["uses"][0]["origin"].startswith(f"{uid}/")
    counted = [
        record["request"] for record in split.records()
        if record["request"]["namespace"] == namespace and not record["request"]["dryRun"]
        and record["verdict"]["decision"] == "allow" and record["request"]["actor"]["username"] == ALICE.name
    ]  # fmt: skip
    assert len({one["uid"] for one in counted}) >= 2  # the API server gives each call one of its own
    assert "is used-up" in wait_told(alice, namespace)


def test_a_write_that_is_tried_again_is_one_use(cluster: Cluster, split: Gateway, namespace: str) -> None:
    """The API server asks again upon the next version, where somebody else's write came first; another change counts."""
    managed(cluster, namespace)
    live = cluster.api(ROOT).get("apps/v1", "Deployment", namespace, "api")
    grant = asked(cluster.api(ALICE), namespace, maxUses=2)
    write_status(cluster.api(BOB), grant, approval(grant, BOB))

    def allowed(version: str, replicas: int, *, dry_run: bool = False) -> bool:
        old = {**live, "metadata": {**live["metadata"], "resourceVersion": version}}
        new = {**old, "spec": {**live["spec"], "replicas": replicas}}
        body = Reviewed(ALICE, "UPDATE", "Deployment", new, old, namespace, version).body(dry_run=dry_run)
        return bool(split.ask(body, path="/v1/validate/drift?timeout=30s").json()["response"]["allowed"])

    wait_for(lambda: allowed("7", 9, dry_run=True), seconds=60)
    assert allowed("7", 9)
    assert allowed("8", 9)
    assert status(cluster, grant)["used"] == 1
    assert allowed("8", 10)
    assert [use["origin"].rpartition("/")[2] for use in status(cluster, grant)["uses"]] == ["7", "8"]
    assert not allowed("9", 11)


class Reviewed(NamedTuple):
    """One request as the API server asks about it."""

    user: User
    operation: str
    kind: str
    new: Json
    old: Json
    namespace: str
    uid: str

    def body(self, *, dry_run: bool) -> bytes:
        request = {
            "uid": f"u-{self.uid}-{self.new['spec']['replicas']}-{dry_run}",
            "operation": self.operation,
            "kind": {"group": "apps", "version": "v1", "kind": self.kind},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "namespace": self.namespace,
            "name": "api",
            "userInfo": {"username": self.user.name, "groups": list(self.user.groups)},
            "dryRun": dry_run,
            "object": self.new,
            "oldObject": self.old,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        return json.dumps(review).encode()


def test_where_nobody_can_tell_somebody_takes_note(cluster: Cluster, split: Gateway, namespace: str) -> None:
    """The gateway may not read ConfigMaps: whether Git agrees is not known, which is no denial, and the way out is named."""
    item = labelled(config_map(namespace, "settings"), dict(zip(FLUX, ("web", namespace), strict=True)))
    cluster.api(KUSTOMIZE_CONTROLLER).apply(item, manager="kustomize-controller")
    alice, bob = cluster.api(ALICE), cluster.api(BOB)
    scope = {"namespaces": [namespace], "kinds": ["ConfigMap"], "names": ["settings"]}
    grant = asked(alice, namespace, scope=scope)
    write_status(bob, grant, approval(grant, BOB))
    values = count()

    def changed() -> bool:
        try:
            alice.patch(item, {"data": {"greeting": f"good day {next(values)}"}})
        except ApiError:
            return False
        return True

    wait_for(changed, seconds=60)
    name = grant["metadata"]["name"]
    with pytest.raises(ApiError, match=r"could not decide(.|\n)*configmaps(.|\n)*break-glass acknowledge"):
        bob.delete(found(cluster, name))
    write_status(bob, grant, {"acknowledged": {"by": BOB.name, "reason": "it is in Git"}})
    bob.delete(found(cluster, name))


def wait_told(api: Api, namespace: str) -> str:
    """What is said of another change, once the gateway knows that the grant is used up."""
    texts: list[str] = []
    numbers = count()

    def refused() -> bool:
        texts.append(told(api, namespace, f"{HOTFIX}-{next(numbers)}"))
        return "is used-up" in texts[-1]

    wait_for(refused, seconds=60)
    return texts[-1]


def test_an_account_is_nobody_elses_approval(cluster: Cluster, split: Gateway, namespace: str) -> None:
    """Whoever can get its token would be two people: it may neither approve nor ask, whatever it may else."""
    managed(cluster, namespace)
    grant = asked(cluster.api(ALICE), namespace)
    with pytest.raises(ApiError, match="under your own name"):
        write_status(cluster.api(TENANT), grant, approval(grant, TENANT))
    with pytest.raises(ApiError, match="Ask under your own name"):
        asked(cluster.api(TENANT), namespace, users=[ALICE.name])
    of_group = asked(cluster.api(ALICE), namespace, users=[], groups=["developers"])
    with pytest.raises(ApiError, match="you are in developers"):
        write_status(cluster.api(BOB), of_group, approval(of_group, BOB))


def test_a_record_is_kept_until_git_agrees(cluster: Cluster, split: Gateway, namespace: str) -> None:
    """Deleting it would open the field to everybody: that takes Git's agreement, or somebody else's note of why not."""
    managed(cluster, namespace)
    alice, bob = cluster.api(ALICE), cluster.api(BOB)
    names = []
    for image in ("hotfix-1", "hotfix-2"):
        grant = asked(alice, namespace)
        write_status(bob, grant, approval(grant, BOB))
        wait_for(lambda image=image: not told(alice, namespace, f"r.example.com/{image}"), seconds=60)
        names.append(grant["metadata"]["name"])
    earlier, name = names
    for one in names:  # the earlier one's record says how it was before
        with pytest.raises(ApiError, match=r"not in Git yet: Deployment .*govgate break-glass acknowledge"):
            bob.delete(found(cluster, one))
    assert "other than who asked" in run(cluster, "alice", f"govgate break-glass acknowledge {name} --reason=mine")
    shown = run(cluster, "bob", f"govgate break-glass acknowledge {name} --reason='the next release has it'")
    assert f"acknowledged breakglass/{name}" in shown
    assert "took note of it: the next release has it" in run(cluster, "bob", "govgate break-glass list")
    bob.delete(found(cluster, name))
    run(cluster, "bob", f"govgate break-glass acknowledge {earlier} --reason='the next release has it'")
    bob.delete(found(cluster, earlier))
    about = [f for record in split.records() for f in record["findings"] if f["resource"]["name"] == name]
    told_of = [one for one in about if one["rule"] == "break-glass/acknowledged"]
    assert len(told_of) == 2  # when it was written, and when the record was deleted
    assert "the next release has it" in told_of[0]["message"]


def test_what_is_deleted_and_kept_by_a_finalizer_lets_nothing_through(
    cluster: Cluster, split: Gateway, namespace: str
) -> None:
    """It was deleted unused, which takes no second person: used afterwards, its record would go without one too."""
    managed(cluster, namespace)
    alice, root = cluster.api(ALICE), cluster.api(ROOT)
    grant = asked(alice, namespace)
    root.patch(grant, {"metadata": {"finalizers": ["example.com/keep"]}})
    write_status(cluster.api(BOB), grant, approval(grant, BOB))
    wait_for(lambda: not told(alice, namespace, HOTFIX, dry_run=True), seconds=60)
    root.delete(found(cluster, grant["metadata"]["name"]))
    try:
        wait_for(lambda: "is deleted" in told(alice, namespace, HOTFIX, dry_run=True), seconds=60)
        assert "is deleted" in told(alice, namespace, HOTFIX)
    finally:
        root.patch(grant, {"metadata": {"finalizers": None}})


def found(cluster: Cluster, name: str) -> Json:
    return {"apiVersion": API, "kind": "BreakGlass", **cluster.api(ROOT).get(API, "BreakGlass", "", name)}


def test_what_no_webhook_saw_lets_nothing_through(
    cluster: Cluster, split: Gateway, registration: Json, namespace: str, tmp_path: Path
) -> None:
    """With the webhook away everybody may write everything: an approval that was written then holds nowhere, ever."""
    managed(cluster, namespace)
    root, alice = cluster.api(ROOT), cluster.api(ALICE)
    grant = asked(alice, namespace)

    def forged() -> bool:
        """In Bob's name, by nobody's leave."""
        try:
            write_status(alice, grant, approval(grant, BOB))
        except ApiError as error:
            if "in another one's name" not in error.message:
                raise
            return False
        return True

    assert not forged()
    root.delete(registration)
    try:
        wait_for(forged, seconds=60)
        with pytest.raises(ApiError, match="under your own name"):  # so much the CRD says by itself
            write_status(alice, asked(alice, namespace), approval(grant, TENANT))
    finally:
        root.create({**registration, "metadata": {"name": registration["metadata"]["name"]}})
    wait_for(lambda: "no gateway saw its approval" in told(alice, namespace, HOTFIX, dry_run=True), seconds=60)
    assert "no gateway saw its approval" in told(alice, namespace, HOTFIX)
    notes = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "govgate-break-glass", "namespace": OWN}}
    root.apply({**notes, "data": {"long-over": "sha256:0 2020-01-01T00:00:00+00:00"}}, manager="tests")
    seen = asked(alice, namespace)
    write_status(cluster.api(BOB), seen, approval(seen, BOB))
    noted = root.get("v1", "ConfigMap", OWN, "govgate-break-glass")["data"]
    assert seen["metadata"]["uid"] in noted
    assert "long-over" not in noted
    wait_for(lambda: not told(alice, namespace, HOTFIX), seconds=60)
    assert status(cluster, seen)["used"] == 1
    assert "used" not in status(cluster, grant)
    assert listed(cluster, grant) is False
    elsewhere = tmp_path / "config.yaml"
    elsewhere.write_text(json.dumps({"cluster": {"ownNamespace": "elsewhere"}}))
    assert listed(cluster, grant, f"--config {elsewhere}") is None
    assert "is not known: there is no ConfigMap elsewhere/" in run(
        cluster, "root", f"govgate break-glass list --config {elsewhere}"
    )
    assert listed(cluster, seen) is True


def listed(cluster: Cluster, grant: Json, *options: str) -> bool | None:
    """Whether ``break-glass list`` says that a gateway saw its approval."""
    shown = json.loads(run(cluster, "root", " ".join(("govgate break-glass list -o json", *options)), errors=False))
    (seen,) = [one["seen"] for one in shown["grants"] if one["name"] == grant["metadata"]["name"]]
    return seen
