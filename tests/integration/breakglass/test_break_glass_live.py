"""Break-glass with a real API server: two people, one change, on the record; and never once more than granted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from recordings.objects import FLUX, deployment, labelled
from support.api import STRATEGIC, Api, ApiError
from support.cluster import Cluster, wait_for
from support.drill import run, shows, steps
from support.gateway import Gateway
from support.grants import grant_object
from support.users import ALICE, BOB, KUSTOMIZE_CONTROLLER, NOBODY, ROOT, User

from webhooks.breakglass.grant import read_grant, spec_digest

Json = dict[str, Any]
API = "govgate.dev/v1alpha1"
_names = count(1)
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def managed(cluster: Cluster, namespace: str) -> Json:
    """A Deployment as kustomize-controller applies it."""
    item = labelled(deployment(namespace), dict(zip(FLUX, ("web", namespace), strict=True)))
    return cluster.api(KUSTOMIZE_CONTROLLER).apply(item, manager="kustomize-controller")


def told(api: Api, item: Json, image: str, *, dry_run: bool = False) -> str:
    """What somebody is told who sets another image; empty if it went through."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": image}]}}}}
    path = api.path(item["apiVersion"], item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
    try:
        api.call("PATCH", f"{path}{'?dryRun=All' if dry_run else ''}", patch, content_type=STRATEGIC)
    except ApiError as error:
        return str(error)
    return ""


def asked(api: Api, item: Json, *, seconds: float = 3600, **spec: Any) -> Json:
    """A grant for the Deployment, asked for by the user of ``api``."""
    metadata = item["metadata"]
    scope = {"namespaces": [metadata["namespace"]], "kinds": ["apps/Deployment"], "names": [metadata["name"]]}
    document = grant_object(
        f"{metadata['namespace']}-{next(_names)}",
        by=api.user.name,
        expires=datetime.now(UTC) + timedelta(seconds=seconds),
        **({"scope": scope} | spec),
    )
    document["metadata"] = {"name": document["metadata"]["name"]}
    return api.create(document)


def approve(api: Api, grant: Json, *, emergency: bool = False) -> Json:
    digest = spec_digest(read_grant(grant).spec)
    approval = {"approver": api.user.name, "specDigest": digest} | ({"emergency": True} if emergency else {})
    return api.patch(grant, {"status": {"approval": approval}}, subresource="status")


def status(cluster: Cluster, grant: Json) -> Json:
    found = cluster.api(ROOT).get(API, "BreakGlass", "", grant["metadata"]["name"])
    return found.get("status") or {}


def images() -> Any:
    return (f"registry.example.com/storefront/api:9.{number}" for number in count())


def eventually_told(api: Api, item: Json, text: str, tags: Any, *, dry_run: bool = False) -> None:
    """The watch caches are a moment behind. ``text``: empty if it is to go through."""

    def as_expected() -> bool:
        said = told(api, item, next(tags), dry_run=dry_run)
        return text in said if text else not said

    wait_for(as_expected, seconds=30)


def test_from_denial_to_denial(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """Denied, asked for, not approved by oneself, approved, let through once with a warning, counted, and denied again."""
    item, tags = managed(cluster, namespace), images()
    alice, bob = cluster.api(ALICE), cluster.api(BOB)
    said = told(alice, item, next(tags))
    assert f"govgate break-glass request apps/Deployment {namespace}/{item['metadata']['name']}" in said
    assert "--field=spec.template.spec.containers[name=api].image" in said

    with pytest.raises(ApiError, match="whoever writes asks"):
        asked(alice, item, requestedBy=BOB.name)
    with pytest.raises(ApiError, match="240 minutes"):
        asked(alice, item, seconds=5 * 3600)
    grant = asked(alice, item)
    eventually_told(alice, item, "is pending", tags)
    with pytest.raises(ApiError, match="someone other"):
        approve(alice, grant)
    with pytest.raises(ApiError, match="not changed"):
        alice.patch(grant, {"spec": {"maxUses": 5}})
    approve(bob, grant)

    eventually_told(alice, item, "", tags, dry_run=True)
    assert "dry run, not counted" in " ".join(alice.warnings)
    assert "used" not in status(cluster, grant)
    assert "break-glass request" in told(bob, item, next(tags))

    assert told(alice, item, next(tags)) == ""
    assert f"let through by breakglass/{grant['metadata']['name']} (use 1 of 1; INC-7" in " ".join(alice.warnings)
    (use,) = status(cluster, grant)["uses"]
    assert (use["user"], use["object"]["name"]) == (ALICE.name, item["metadata"]["name"])
    assert [one["field"] for one in use["fields"]] == ["spec.template.spec.containers[name=api].image"]

    eventually_told(alice, item, "is used-up", tags)
    for patch in ({"used": 0}, {"uses": []}, {"approval": None}, {"revoked": {"by": BOB.name}}):
        with pytest.raises(ApiError):
            alice.patch(grant, {"status": patch}, subresource="status")
    with pytest.raises(ApiError):
        bob.patch(grant, {"spec": {"expires": "2100-01-01T00:00:00Z"}})

    records = [r for r in gateways[0].records() if r["request"]["namespace"] == namespace]
    (counted,) = [
        r for r in records if r["verdict"]["decision"] == "allow" and not r["request"]["dryRun"]
        and r["request"]["actor"]["username"] == ALICE.name
    ]  # fmt: skip
    marks = {finding["rule"]: finding.get("exception") for finding in counted["findings"]}
    assert marks["drift/owned-field"] == f"breakglass/{grant['metadata']['name']}"
    assert "INC-7: the shop is down" in json.dumps(counted["findings"])
    wait_for(
        lambda: any(e["reason"] == "BreakGlassUsed" for e in cluster.api(ROOT).list("v1", "Event", namespace)),
        seconds=30,
    )


def test_one_grant_and_two_gateways(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """Asked by many at the same time, two gateways let through exactly as many as were granted."""
    item, tags = managed(cluster, namespace), images()
    alice, allowed = cluster.api(ALICE), 4
    grant = asked(alice, item, maxUses=allowed)
    approve(cluster.api(BOB), grant)
    live = cluster.api(ROOT).get("apps/v1", "Deployment", namespace, item["metadata"]["name"])

    def ask(gateway: Gateway, image: str, *, dry_run: bool = False) -> bool:
        answer = gateway.ask(review(live, ALICE, image, dry_run=dry_run), path="/v1/validate?timeout=30s")
        assert answer.status == 200, answer.text
        return bool(answer.json()["response"]["allowed"])

    for gateway in gateways:
        wait_for(lambda gateway=gateway: ask(gateway, next(tags), dry_run=True), seconds=30)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: ask(gateways[n % 2], f"registry.example.com/a:{n}"), range(16)))
    assert sum(answers) == allowed
    kept = status(cluster, grant)
    assert (kept["used"], len(kept["uses"]), len({use["id"] for use in kept["uses"]})) == (allowed, allowed, allowed)


def test_it_ends_by_itself_and_by_hand(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """Expiry is written down by the gateway; a revoked grant helps nobody."""
    item, tags = managed(cluster, namespace), images()
    alice, bob = cluster.api(ALICE), cluster.api(BOB)
    short = asked(alice, item, seconds=2, maxUses=5)
    wait_for(lambda: status(cluster, short).get("expired") is True, seconds=60)
    with pytest.raises(ApiError, match=r"expired|not changed"):
        approve(bob, short)
    eventually_told(alice, item, "is expired", tags)

    other = asked(alice, item, maxUses=5)
    approve(bob, other)
    eventually_told(alice, item, "", tags, dry_run=True)
    bob.patch(other, {"status": {"revoked": {"by": BOB.name}}}, subresource="status")
    eventually_told(alice, item, "is revoked", tags)


def test_an_emergency_is_flagged(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """A member of a named group approves alone, and everybody sees it."""
    item, tags = managed(cluster, namespace), images()
    alice = cluster.api(ALICE)
    grant = asked(alice, item)
    approve(alice, grant, emergency=True)
    assert "who asked for it: an emergency" in " ".join(alice.warnings)
    eventually_told(alice, item, "", tags)
    assert "approved by nobody else" in " ".join(alice.warnings)
    found = [f for record in gateways[0].records() for f in record["findings"] if f["severity"] == "critical"]
    assert {"break-glass/self-approved", "break-glass/used"} <= {f["rule"] for f in found}


def test_a_changed_field_stays_its_owners(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """The API server gives a field to whoever changed it last: one use must not open it to everybody."""
    item, tags = managed(cluster, namespace), images()
    alice = cluster.api(ALICE)
    approve(cluster.api(BOB), asked(alice, item))
    eventually_told(alice, item, "", tags)
    eventually_told(cluster.api(BOB), item, "would change from", tags)
    with pytest.raises(ApiError, match="would change from"):
        cluster.api(BOB).patch(item, {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "x"}]}}}},
                               content_type=STRATEGIC)  # fmt: skip


def test_scaling_once_is_not_scaling_twice(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """A Scale says nothing of who manages what it scales; what was changed by one is remembered of the workload."""
    item, numbers = managed(cluster, namespace), count(10)

    def scaled(user: User) -> str:
        try:
            cluster.api(user).scale(item, next(numbers))
        except ApiError as error:
            return str(error)
        return ""

    assert f"apps/Deployment {namespace}/api --field=spec.replicas" in scaled(ALICE)
    approve(cluster.api(BOB), asked(cluster.api(ALICE), item))
    wait_for(lambda: scaled(ALICE) == "", seconds=30)
    wait_for(lambda: "spec.replicas would change" in scaled(BOB), seconds=30)


def review(live: Json, user: User, image: str, *, dry_run: bool) -> bytes:
    new = json.loads(json.dumps(live))
    new["spec"]["template"]["spec"]["containers"][0]["image"] = image
    metadata = live["metadata"]
    # Each on top of another version: of two on top of the same the API server takes one.
    live = {**live, "metadata": {**metadata, "resourceVersion": image}}
    request = {
        "uid": f"u-{image}",
        "operation": "UPDATE",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "userInfo": {"username": user.name, "groups": list(user.groups)},
        "dryRun": dry_run,
        "object": new,
        "oldObject": live,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def flux_applies(cluster: Cluster, image: str) -> None:
    item = deployment("shop", "web")
    item["spec"]["template"]["spec"]["containers"][0]["image"] = image
    marked = labelled(item, dict(zip(FLUX, ("web", "shop"), strict=True)))
    cluster.api(KUSTOMIZE_CONTROLLER).apply(marked, manager="kustomize-controller")


@pytest.fixture
def shop(cluster: Cluster, gateways: list[Gateway]) -> Iterator[None]:
    root = cluster.api(ROOT)
    root.apply(SHOP, manager="tests")
    flux_applies(cluster, "registry.example.com/shop/web:1.0.0")
    yield
    root.delete(SHOP, missing_ok=True)


def test_the_drill(cluster: Cluster, shop: None) -> None:
    """Each command of docs/break-glass.md shows what the page says that it shows."""
    typed = list(steps())
    assert len(typed) == 11
    for who, command, expected in typed:
        if who == "flux":
            flux_applies(cluster, command)
            continue
        deadline = time.monotonic() + 60
        while True:
            output = run(cluster, who, command)
            missing = [line for line in expected if not shows(output, line)]
            # What a person changed is seen by a gateway a moment later; what is asked for or deleted is so once.
            again = command.startswith("kubectl -n shop") or "list" in command
            if not missing or not again or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert not missing, (command, missing, output)
        if "--fail-on warn" in command:
            assert "shop/web: spec" not in output


def test_the_scan_finds_what_git_does_not_say(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """Of objects that stand there, until their reconciler has applied them."""
    item, tags = managed(cluster, namespace), images()
    approve(cluster.api(BOB), asked(cluster.api(ALICE), item))
    eventually_told(cluster.api(ALICE), item, "", tags)

    def found() -> list[Json]:
        scan = f"govgate scan -n {namespace} --policies builtin:gitops -o json"
        findings = json.loads(run(cluster, "root", scan, errors=False))["findings"]
        return [one for one in findings if one["guard"] == "break-glass"]

    (one,) = found()
    assert (one["rule"], one["action"], one["resource"]["name"]) == ("break-glass/not-in-git", "warn", "api")
    managed(cluster, namespace)
    assert found() == []


def test_a_deletion_is_open_until_it_is_there_again(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """The object is gone, and with it all but the grant's record."""
    item = managed(cluster, namespace)
    alice = cluster.api(ALICE)
    with pytest.raises(ApiError, match="--operation=DELETE"):
        alice.delete(item)
    scope = {"namespaces": [namespace], "kinds": ["apps/Deployment"], "names": ["api"], "operations": ["DELETE"]}
    approve(cluster.api(BOB), asked(alice, item, scope=scope))

    def deleted() -> bool:
        try:
            alice.delete(item)
        except ApiError as error:
            return error.code == 404
        return True

    wait_for(deleted, seconds=30)
    assert f"Deployment {namespace}/api: it was deleted by alice" in run(cluster, "bob", "govgate break-glass list")
    managed(cluster, namespace)
    assert f"{namespace}/api: it was deleted" not in run(cluster, "bob", "govgate break-glass list")


def test_approving_is_a_right_in_the_namespaces_of_the_scope(
    cluster: Cluster, gateways: list[Gateway], namespace: str
) -> None:
    """Who may approve in one namespace approves nothing that reaches further."""
    root, nobody, item = cluster.api(ROOT), cluster.api(NOBODY), managed(cluster, namespace)
    made = [
        *bound("patches", [rule(["breakglasses", "breakglasses/status"], ["get", "patch"])], NOBODY.name),
        *bound("approves", [rule(["breakglasses"], ["approve"])], NOBODY.name, namespace),
    ]
    for one in made:
        root.apply(one, manager="tests")
    try:
        here = asked(cluster.api(ALICE), item)
        wider = asked(cluster.api(ALICE), item, scope={"namespaces": ["*"], "kinds": ["Deployment"], "names": ["*"]})
        with pytest.raises(ApiError, match="verb approve"):
            approve(nobody, wider)
        approve(nobody, here)
    finally:
        for one in made:
            root.delete(one, missing_ok=True)


def test_what_cannot_be_counted_is_not_let_through(
    cluster: Cluster, gateways: list[Gateway], namespace: str, tmp_path: Path
) -> None:
    """A gateway that may not write to grants denies, and says why; a dry run it lets through."""
    root, item, tags = cluster.api(ROOT), managed(cluster, namespace), images()
    reads = [rule([resource], ["list", "watch"], group) for group, resource in READS]
    reads.append(rule(["configmaps"], ["get"], ""))
    made = bound("reads", reads, NOBODY.name)
    for one in made:
        root.apply(one, manager="tests")
    connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(NOBODY))}
    gateway = Gateway(tmp_path, cluster=connection, policy={"sources": []})
    try:
        gateway.start()
        approve(cluster.api(BOB), asked(cluster.api(ALICE), item))
        live = root.get("apps/v1", "Deployment", namespace, "api")

        def ask(*, dry_run: bool) -> Json:
            answer: Json = gateway.ask(review(live, ALICE, next(tags), dry_run=dry_run)).json()["response"]
            return answer

        wait_for(lambda: ask(dry_run=True)["allowed"], seconds=30)
        refused = ask(dry_run=False)
        assert not refused["allowed"]
        assert "its use could not be counted: 403" in refused["status"]["message"]
    finally:
        gateway.kill()
        for one in made:
            root.delete(one, missing_ok=True)


READS = (
    ("kustomize.toolkit.fluxcd.io", "*"),
    ("helm.toolkit.fluxcd.io", "*"),
    ("source.toolkit.fluxcd.io", "*"),
    ("argoproj.io", "*"),
    ("govgate.dev", "*"),
)


def rule(resources: list[str], verbs: list[str], group: str = "govgate.dev") -> Json:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def bound(name: str, rules: list[Json], user: str, namespace: str = "") -> list[Json]:
    """A ClusterRole with a binding; in a namespace, if one is given."""
    api = "rbac.authorization.k8s.io"
    kind, place = ("RoleBinding", {"namespace": namespace}) if namespace else ("ClusterRoleBinding", {})
    return [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": f"tests-{name}"}, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": kind,
            "metadata": {"name": f"tests-{name}", **place},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": f"tests-{name}"},
            "subjects": [{"kind": "User", "name": user, "apiGroup": api}],
        },
    ]


def test_the_commands_write_nothing_in_a_dry_run(cluster: Cluster, gateways: list[Gateway], namespace: str) -> None:
    """They print what they would write: a person can look at it, and apply it by other means."""
    item, alice = managed(cluster, namespace), cluster.api(ALICE)
    before = len(alice.list(API, "BreakGlass"))
    request = f"govgate break-glass request apps/Deployment {namespace}/api --ticket=INC-7 --reason=r --dry-run"
    printed = yaml.safe_load(run(cluster, "alice", request))
    assert (printed["kind"], printed["spec"]["requestedBy"], printed["spec"]["users"]) == (
        "BreakGlass",
        ALICE.name,
        [ALICE.name],
    )
    assert len(alice.list(API, "BreakGlass")) == before
    grant = alice.create(printed)
    for verb, key in (("approve", "approval"), ("revoke", "revoked")):
        patch = yaml.safe_load(run(cluster, "bob", f"govgate break-glass {verb} {grant['metadata']['name']} --dry-run"))
        assert BOB.name in patch["status"][key].values()
        cluster.api(BOB).patch(grant, patch, subresource="status")
    assert item["kind"] == "Deployment"
    assert status(cluster, grant)["revoked"]["by"] == BOB.name
    assert "NAMESPACE/NAME" in run(cluster, "alice", "govgate break-glass request Pod a/b/c --ticket=T --reason=r")


def test_recorded_requests_count_nothing(
    cluster: Cluster, gateways: list[Gateway], namespace: str, tmp_path: Path
) -> None:
    """Judging what happened elsewhere, or before, uses no grant up."""
    item = managed(cluster, namespace)
    grant = approve(cluster.api(BOB), asked(cluster.api(ALICE), item))
    live = cluster.api(ROOT).get("apps/v1", "Deployment", namespace, "api")
    recorded, config = tmp_path / "review.json", tmp_path / "config.yaml"
    recorded.write_bytes(review(live, ALICE, "registry.example.com/storefront/api:9", dry_run=False))
    connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT))}
    config.write_text(yaml.safe_dump({"cluster": connection, "policy": {"sources": []}}))
    shown = run(cluster, "root", f"govgate review {recorded} --config {config}")
    assert f"let through by breakglass/{grant['metadata']['name']}" in shown
    assert "used" not in status(cluster, grant)
