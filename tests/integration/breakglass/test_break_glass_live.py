"""Break-glass with a real API server: two people, one change, on the record; and never once more than granted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from recordings.objects import FLUX, deployment, labelled
from support.api import STRATEGIC, Api, ApiError
from support.cluster import Cluster, wait_for
from support.gateway import Gateway
from support.grants import grant_object
from support.users import ALICE, BOB, KUSTOMIZE_CONTROLLER, ROOT, User

from webhooks.breakglass.grant import read_grant, spec_digest

Json = dict[str, Any]
API = "govgate.dev/v1alpha1"
_names = count(1)


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

    records = [r for r in gateways[0].records() if r["request"]["name"] == item["metadata"]["name"]]
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


def review(live: Json, user: User, image: str, *, dry_run: bool) -> bytes:
    new = json.loads(json.dumps(live))
    new["spec"]["template"]["spec"]["containers"][0]["image"] = image
    metadata = live["metadata"]
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
