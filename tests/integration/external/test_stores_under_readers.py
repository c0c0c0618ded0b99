"""A store is edited, or refuses one of its keys, while many read it: that is no matter of the others."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import NEVER, SECONDS, Site
from support.openbao import OpenBao
from support.passing import Passing

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]
OBJECTS, KEYS = 5, 10
LOGIN, REVOKED = "auth/approle/login", "auth/token/revoke-self"


@pytest.fixture
def passing(bao: OpenBao) -> Iterator[Passing]:
    """OpenBao, by way of a port that counts and holds back."""
    with Passing(bao.url) as port:
        yield port


def approle_store(site: Site, passing: Passing, kind: str = "SecretStore", **vault: Any) -> None:
    """A store that logs in."""
    approle = site.bao.root.auth.approle
    name = f"role-{site.namespace}"
    approle.create_or_update_approle(name, token_policies=["reader"])
    role = approle.read_role_id(name)["data"]["role_id"]
    if site.secret("approle") is None:
        secret = approle.generate_secret_id(name)["data"]["secret_id"]
        site.api.create({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "approle", "namespace": site.namespace},
            "data": {"s": base64.b64encode(secret.encode()).decode()},
        })  # fmt: skip
    ref = {"name": "approle", "key": "s", "namespace": site.namespace}
    auth = {"appRole": {"path": "approle", "roleId": role, "secretRef": ref}}
    metadata = {"name": site.store_name} | ({"namespace": site.namespace} if kind == "SecretStore" else {})
    provider = {"vault": {"server": passing.url, "path": "kv", "auth": auth, **vault}}
    site.api.apply(
        {
            "apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata,
            "spec": {"controller": "govgate", "provider": provider},
        },
        manager="tests",
    )  # fmt: skip


def test_a_store_that_is_edited_while_many_read_it(site: Site, passing: Passing, running: ControllerProcess) -> None:
    """All have what they asked for, of no more logins than there were stores."""
    site.api.delete({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": site.store_name, "namespace": site.namespace},
    })  # fmt: skip
    approle_store(site, passing)
    paths = [[f"{number}-{key}" for key in range(KEYS)] for number in range(OBJECTS)]
    for path in (path for several in paths for path in several):
        site.put(path, password="one")

    def data(number: int) -> list[dict[str, Any]]:
        return [
            {"secretKey": path, "remoteRef": {"key": f"{site.namespace}/{path}", "property": "password"}}
            for path in paths[number]
        ]

    with passing.holding("/kv/data/"):
        for number in range(OBJECTS):
            site.create(f"many-{number}", keys=(), data=data(number), refreshInterval="2s")
        wait_for(lambda: passing.count("/kv/data/") >= 8, seconds=SECONDS)
        for edit in range(3):
            approle_store(site, passing, headers={"X-Edit": str(edit)})
        site.put("after", password="one")
        site.create("after", path="after")
        wait_for(lambda: passing.count(LOGIN) >= 2, seconds=SECONDS)
    for number in range(OBJECTS):
        site.wait_values(f"many-{number}", **dict.fromkeys(paths[number], "one"))
    for path in (path for several in paths for path in several):
        site.put(path, password="two")
    for number in range(OBJECTS):
        site.wait_values(f"many-{number}", **dict.fromkeys(paths[number], "two"))
    assert 2 <= passing.count(LOGIN) <= 4
    said = running.log.read_text()
    assert "was closed" not in said
    assert "internal error" not in said
    wait_for(lambda: running.get("/readyz")[0] == 200, seconds=SECONDS)


def test_a_key_that_may_not_be_read_beside_many_that_may(
    site: Site, passing: Passing, running: ControllerProcess
) -> None:
    """It is said of that one, again and again; the others are read by the one login that there was."""
    approle_store(site, passing, "ClusterSecretStore")
    used = {"store_kind": "ClusterSecretStore", "refreshInterval": "1s"}
    closed = [{"secretKey": "k", "remoteRef": {"key": f"closed/{site.namespace}"}}]
    site.create("closed", keys=(), data=closed, **used)
    for number in range(10):
        site.put(f"open-{number}", password="0")
        site.create(f"open-{number}", path=f"open-{number}", **used)
    site.wait_refused("403", "closed")
    for again in range(1, 4):
        for number in range(10):
            site.put(f"open-{number}", password=str(again))
        for number in range(10):
            site.wait_values(f"open-{number}", password=str(again))
    wait_for(lambda: passing.count(f"/kv/data/closed/{site.namespace}") > 1, seconds=SECONDS)
    assert (passing.count(LOGIN), passing.count(REVOKED)) == (1, 0)
    assert "internal error" not in running.log.read_text()
    site.api.delete({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": site.store_name},
    })  # fmt: skip


def test_what_was_read_is_not_read_again_for_what_was_not(site: Site, passing: Passing) -> None:
    """Of an object that fails only that is asked for which failed, each time; then it has all, as it was read."""
    approle_store(site, passing)
    paths = [f"there-{number}" for number in range(5)]
    for path in paths:
        site.put(path, password="one")
    data = [
        {"secretKey": path, "remoteRef": {"key": f"{site.namespace}/{path}", "property": "password"}}
        for path in ("missing", *paths)
    ]
    site.create(keys=(), data=data, refreshInterval=NEVER)
    site.wait_refused("missing")
    wait_for(lambda: passing.count("/missing") >= 4, seconds=SECONDS)
    assert [passing.count(f"/{path}") for path in paths] == [1] * 5
    site.put("missing", password="now")
    site.wait_values(missing="now", **dict.fromkeys(paths, "one"))
    assert [passing.count(f"/{path}") for path in paths] == [1] * 5


def test_what_was_read_and_is_no_good_is_read_again(site: Site, passing: Passing) -> None:
    """Its window lasts for ever; what is wrong with it may be mended in the store all the same."""
    approle_store(site, passing)
    site.put("db", other="one")
    site.create(refreshInterval=NEVER)
    site.wait_refused("password")
    site.put("db", password="two")
    site.wait_values(password="two")
