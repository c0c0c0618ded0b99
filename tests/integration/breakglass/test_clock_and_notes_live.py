"""A gateway whose clock is wrong, and notes of approvals that are gone or have no room: with a real API server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from unittest import mock

import pytest
from recordings.objects import FLUX, deployment, labelled
from support.api import STRATEGIC, Api, ApiError
from support.clock import Clock
from support.cluster import Cluster, wait_for
from support.gateway import Gateway
from support.grants import grant_object
from support.registration import registered
from support.users import ALICE, BOB, KUSTOMIZE_CONTROLLER, ROOT

from webhooks.breakglass.grant import read_grant, spec_digest

Json = dict[str, Any]
API, OWN = "govgate.dev/v1alpha1", "govgate-system"
NOTES = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "govgate-break-glass", "namespace": OWN}}
_images = (f"registry.example.com/storefront/api:8.{number}" for number in count())


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def gateway(
    cluster: Cluster, prepared: Json, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The only one, registered, with a clock that can be moved."""
    folder = tmp_path_factory.mktemp("moved")
    gateway = Gateway(folder, cluster=prepared, policy={"sources": []})
    authority = folder / "ca.crt"
    authority.write_bytes(gateway.authority.pem)
    try:
        with mock.patch.dict(os.environ, clock.environment):
            gateway.start()
        with registered(cluster, f"https://127.0.0.1:{gateway.port}/v1/validate", authority):
            yield gateway
    finally:
        gateway.kill()


@pytest.fixture
def item(cluster: Cluster, gateway: Gateway, namespace: str) -> Json:
    """A Deployment as kustomize-controller applies it."""
    made = labelled(deployment(namespace), dict(zip(FLUX, ("web", namespace), strict=True)))
    return cluster.api(KUSTOMIZE_CONTROLLER).apply(made, manager="kustomize-controller")


def told(api: Api, item: Json) -> str:
    """What somebody is told who tries to set another image (dry run); empty if it would go through."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": next(_images)}]}}}}
    path = api.path("apps/v1", "Deployment", item["metadata"]["namespace"], item["metadata"]["name"])
    try:
        api.call("PATCH", f"{path}?dryRun=All", patch, content_type=STRATEGIC)
    except ApiError as error:
        return str(error)
    return ""


def asked(cluster: Cluster, item: Json) -> Json:
    metadata = item["metadata"]
    scope = {"namespaces": [metadata["namespace"]], "kinds": ["apps/Deployment"], "names": [metadata["name"]]}
    document = grant_object(by=ALICE.name, expires=datetime.now(UTC) + timedelta(hours=1), scope=scope)
    document["metadata"] = {"generateName": f"{metadata['namespace']}-"}
    return cluster.api(ALICE).create(document)


def approve(cluster: Cluster, grant: Json) -> None:
    approval = {"approver": BOB.name, "specDigest": spec_digest(read_grant(grant).spec)}
    cluster.api(BOB).patch(grant, {"status": {"approval": approval}}, subresource="status")


def test_a_clock_that_jumps_a_day_ahead_ends_no_grant(
    cluster: Cluster, gateway: Gateway, clock: Clock, item: Json
) -> None:
    """It helps nobody meanwhile, which is told to the person, the log and readiness; and it holds again afterwards."""
    alice, grant = cluster.api(ALICE), asked(cluster, item)
    approve(cluster, grant)
    wait_for(lambda: not told(alice, item), seconds=60)
    clock.jump(86_400)
    try:
        # It is told of at the end of a round in which what is over is written down.
        wait_for(lambda: gateway.events("clocks do not agree"), seconds=60)
        assert "clock and this gateway's do not agree" in told(alice, item)
        wait_for(lambda: "ahead of the API server's" in gateway.health("/readyz?verbose").text, seconds=60)
        status = cluster.api(ROOT).get(API, "BreakGlass", "", grant["metadata"]["name"])["status"]
        assert "expired" not in status
    finally:
        clock.jump(0)
    wait_for(lambda: not told(alice, item), seconds=60)


def test_notes_that_are_removed_hold_for_no_request(cluster: Cluster, gateway: Gateway, item: Json) -> None:
    """Also in a gateway that has read them before; with the next approval they are there again, for that one."""
    alice, grant, root = cluster.api(ALICE), asked(cluster, item), cluster.api(ROOT)
    approve(cluster, grant)
    wait_for(lambda: not told(alice, item), seconds=60)
    root.delete(NOTES)
    assert "its note was removed" in told(alice, item)
    other = asked(cluster, item)
    approve(cluster, other)
    wait_for(lambda: not told(alice, item), seconds=60)
    assert list(root.get("v1", "ConfigMap", OWN, NOTES["metadata"]["name"])["data"]) == [other["metadata"]["uid"]]


def test_notes_without_room_make_room(cluster: Cluster, gateway: Gateway, item: Json) -> None:
    """A ConfigMap holds a mebibyte: what is over goes with the next approval; where nothing may go, that is said."""
    root, names = cluster.api(ROOT), NOTES["metadata"]["name"]
    root.delete(NOTES, missing_ok=True)
    over = {f"grant-{number}": f"sha256:{'0' * 64} 2020-01-01T00:00:00+00:00" for number in range(9_000)}
    filled = size_of(over)
    root.apply({**NOTES, "data": over | {"other": "x" * (1_048_576 - filled - len("other"))}}, manager="tests")
    try:
        grant = asked(cluster, item)
        approve(cluster, grant)
        assert sorted(root.get("v1", "ConfigMap", OWN, names)["data"]) == sorted([grant["metadata"]["uid"], "other"])
        note = root.get("v1", "ConfigMap", OWN, names)["data"][grant["metadata"]["uid"]]
        room = 1_048_576 - size_of({grant["metadata"]["uid"]: note}) - len("other")
        root.patch(NOTES, {"data": {"other": "x" * room}})
        with pytest.raises(ApiError, match=r"could not be noted(.|\n)*it is full: 2 entries are not known to be over"):
            approve(cluster, asked(cluster, item))
        assert gateway.events("no room for notes")
    finally:
        root.delete(NOTES, missing_ok=True)


def size_of(data: dict[str, str]) -> int:
    """As the API server counts."""
    return sum(len(key) + len(value) for key, value in data.items())
