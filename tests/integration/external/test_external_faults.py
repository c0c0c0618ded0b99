"""What goes wrong with stores and with the API server: it is told, nothing is lost, and it is made good by itself."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.external_site import EXTERNAL, SECONDS, Site
from support.openbao import OpenBao

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


def test_a_token_that_ends(site: Site, bao: OpenBao) -> None:
    """The Secret stays, the failure is told; with another token in the store's Secret it goes on."""
    site.put("db", password="one")
    made: Any = bao.root.auth.token.create(policies=["reader"], ttl="1h")
    site.store_name += "-ending"  # the first one may be open already, with another token
    site.store(token=made["auth"]["client_token"])
    site.create(refreshInterval="1s")
    site.wait_values(password="one")
    bao.root.auth.token.revoke(made["auth"]["client_token"])
    site.put("db", password="two")
    site.wait_refused("db")
    assert site.values() == {"password": "one"}
    fresh: Any = bao.root.auth.token.create(policies=["reader"], ttl="1h")
    site.token(fresh["auth"]["client_token"])
    site.wait_values(password="two")


def test_a_sealed_store(site: Site, bao: OpenBao) -> None:
    """Nothing is emptied while it is sealed, and what waited comes when it is not."""
    site.put("db", password="one")
    site.create(refreshInterval="1s")
    site.wait_values(password="one")
    key = re.search(r"Unseal Key: (\S+)", (bao.directory / "bao.log").read_text())
    assert key is not None
    bao.root.sys.seal()
    try:
        site.wait_refused("sealed")
        site.create("later")
        site.wait_refused("", "later")
        wait_for(lambda: site.store_ready()["reason"] == "ValidationFailed", seconds=SECONDS)
        assert (site.values(), site.values("later")) == ({"password": "one"}, None)
    finally:
        bao.root.sys.submit_unseal_key(key=key[1])
    wait_for(lambda: not bao.root.sys.is_sealed(), seconds=SECONDS)
    site.wait_values(password="one")
    site.wait_values("later", password="one")
    wait_for(lambda: site.store_ready()["reason"] == "Valid", seconds=SECONDS)


def test_a_store_that_throttles(site: Site, bao: OpenBao, running: ControllerProcess) -> None:
    """All are read in the end, and it is not asked more often than it says."""
    for number in range(6):
        site.put(f"db-{number}", password=str(number))
    quota = f"quotas/rate-limit/{site.namespace}"
    bao.root.write_data(f"sys/{quota}", data={"path": "kv/", "rate": 3, "interval": "1s"})
    try:
        for number in range(6):
            site.create(f"db-{number}", path=f"db-{number}")
        for number in range(6):
            site.wait_values(f"db-{number}", password=str(number))
    finally:
        bao.root.delete(f"sys/{quota}")
    assert running.get("/livez")[0] == 200


def test_watches_that_are_cut_off(site: Site, cluster: Cluster) -> None:
    """History that is gone (410 Gone) is read anew: what happened meanwhile is seen."""
    site.put("db", password="one")
    site.create()
    site.wait_values(password="one")
    cluster.compact()
    site.create("after")
    site.wait_values("after", password="one")
    site.api.patch(site.secret() or {}, {"data": {"password": "eA=="}})
    site.wait_values(password="one")


def test_somebody_who_writes_at_the_same_time(site: Site) -> None:
    """What was looked at is not what is there any more: it is decided anew, and others' labels are not lost."""
    site.put("db", password="one")
    site.create(refreshInterval="1s")
    site.wait_values(password="one")
    for number in range(20):
        value = base64.b64encode(str(number).encode()).decode()
        change = {"data": {"password": value}, "metadata": {"labels": {f"kept-{number}": "x"}}}
        site.api.patch(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": site.namespace}}, change
        )
    site.wait_values(password="one")
    secret = site.secret()
    assert secret is not None
    assert {f"kept-{number}" for number in range(20)} <= secret["metadata"]["labels"].keys()


def test_a_store_that_is_not_there_yet(site: Site) -> None:
    """It is told of, and read when it comes; an ExternalSecret may come before its store."""
    site.put("db", password="one")
    store: dict[str, Any] = site.api.get(EXTERNAL[0], "SecretStore", site.namespace, site.store_name)
    site.create("waits", keys=(), dataFrom=[
        {"extract": {"key": f"{site.namespace}/db"}, "sourceRef": {"storeRef": {"name": "late"}}},
        {"extract": {"key": f"{site.namespace}/db"}},
    ])  # fmt: skip
    site.wait_refused("SecretStore late does not exist", "waits")
    late = {**store, "metadata": {"name": "late", "namespace": site.namespace}}
    site.api.create(late)
    site.wait_values("waits", password="one")
