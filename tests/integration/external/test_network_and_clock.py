"""The network between the controller and its servers is cut, and its clock jumps: it converges, and loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from integration.external.conftest import Start
from support.clock import Clock
from support.cluster import Cluster, wait_for
from support.external_site import EXTERNAL, SECONDS, Site
from support.network import Network
from support.openbao import OpenBao

pytestmark = pytest.mark.native
DAY = 86_400
SHORT = {"leaseSeconds": 4, "renewSeconds": 3, "retrySeconds": 0.5}
READS = "govgate_external_store_reads_total"


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def test_a_store_that_is_cut_off(site: Site, bao: OpenBao, controller: Start) -> None:
    """What it cannot be asked about is told, and the Secrets stay; those of other stores are read meanwhile."""
    site.put("db", password="one")
    near = Site(site.api, site.namespace, bao)
    near.store_name = f"{site.store_name}-near"
    near.store()
    with Network(port_of(bao.url)) as network:
        site.store(server=f"http://127.0.0.1:{network.port}")
        controller()
        site.create(refreshInterval="1s")
        near.create("near", refreshInterval="1s")
        site.wait_values(password="one")
        near.wait_values("near", password="one")
        network.cut()
        site.put("db", password="two")
        near.wait_values("near", password="two")
        site.wait_refused("no answer")
        assert site.values() == {"password": "one"}
        network.mend()
        site.wait_values(password="two")


def test_an_api_server_that_is_cut_off(site: Site, cluster: Cluster, controller: Start) -> None:
    """It leads no more, and does not end. What happened meanwhile is made good when the server is back: a value that
    changed, a Secret that somebody deleted, another that somebody wrote."""
    site.put("db", password="one")
    with Network(port_of(cluster.url)) as network:
        process = controller(api_port=network.port, election=SHORT)
        site.create(refreshInterval="1s")
        site.create("other")
        site.wait_values(password="one")
        site.wait_values("other", password="one")
        network.cut()
        site.put("db", password="two")
        site.api.patch(site.secret("other") or {}, {"data": {"password": "eA=="}})
        site.api.delete(site.secret() or {})
        wait_for(lambda: process.events("the lease is lost"), seconds=SECONDS)
        assert process.get("/livez")[0] == 200
        network.mend()
        site.wait_values(password="two")
        wait_for(lambda: (site.values("other") or {}).get("password") in {"one", "two"}, seconds=SECONDS)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Of a program that is started with its environment."""
    return Clock(tmp_path)


@pytest.mark.parametrize("first", [DAY, -DAY], ids=["forward", "back"])
def test_a_clock_that_jumps(site: Site, controller: Start, clock: Clock, first: int) -> None:
    """It leads on, reads on at its intervals and not in a storm, and what is read comes into the Secret."""
    site.put("db", password="zero")
    process = controller(environment=clock.environment, election=SHORT)
    site.create(refreshInterval="2s")
    site.create("seldom", refreshInterval="1h")
    site.wait_values(password="zero")
    site.wait_values("seldom", password="zero")
    for number, moved in enumerate((first, 0, -first)):
        clock.jump(moved)
        reads = process.metric(READS)
        site.put("db", password=str(number))
        site.wait_values(password=str(number))
        assert process.metric(READS) - reads < 20
        refreshed = datetime.fromisoformat(site.api.get(*EXTERNAL, site.namespace, "db")["status"]["refreshTime"])
        assert abs((refreshed - datetime.now(UTC)).total_seconds() - moved) < DAY / 2
    assert process.get("/readyz")[0] == 200
