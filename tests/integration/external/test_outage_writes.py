"""What an outage of a store costs the API server: each object is told of it, and not of each time that it is tried again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.external.conftest import Start
from support.api import Api
from support.cluster import Cluster, wait_for
from support.external_site import EXTERNAL, SECONDS, Site
from support.openbao import OpenBao
from support.users import ROOT

pytestmark = pytest.mark.native
OBJECTS, ROUNDS = 8, 3
STORE = (EXTERNAL[0], "SecretStore")
WAITED = 'govgate_external_reconciles_total{result="waiting"}'


@pytest.fixture
def own_bao(tmp_path: Path) -> Iterator[OpenBao]:
    """One that may be stopped."""
    server = OpenBao(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def version(api: Api, kind: tuple[str, str], namespace: str) -> str:
    """Of all that there is of a kind by now."""
    found: str = api.call("GET", api.path(*kind, namespace))["metadata"]["resourceVersion"]
    return found


def writes(api: Api, kind: tuple[str, str], namespace: str, since: str) -> Counter[str]:
    """How often each object was written since then, as the API server has kept it for whoever watches."""
    query = f"watch=true&resourceVersion={since}&timeoutSeconds=1"
    changes: list[Any] = [json.loads(line) for line in api.text(f"{api.path(*kind, namespace)}?{query}").splitlines()]
    assert not [one for one in changes if one["type"] == "ERROR"]
    return Counter(one["object"]["metadata"]["name"] for one in changes)


def warnings(site: Site) -> list[str]:
    """The objects that Events warn of."""
    return [one["involvedObject"]["name"] for one in site.events() if one["type"] == "Warning"]


def test_an_outage_is_told_once(
    cluster: Cluster, types: None, namespace: str, own_bao: OpenBao, controller: Start
) -> None:
    """A status and an Event for each object, one more if the trouble is another one when it stays; however often all are tried."""
    site = Site(cluster.api(ROOT), namespace, own_bao)
    site.store()
    names = [f"db-{number}" for number in range(OBJECTS)]
    for name in names:
        site.put(name, password=name)
    process = controller()
    for name in names:
        site.create(name, path=name, refreshInterval="1s")
    for name in names:
        site.wait_values(name, password=name)
    before = {kind: version(site.api, kind, namespace) for kind in (EXTERNAL, STORE, ("v1", "Event"), ("v1", "Secret"))}
    own_bao.server.kill()
    for name in names:
        site.wait_refused("cannot be reached", name)
    told = process.metric(WAITED)
    wait_for(lambda: process.metric(WAITED) >= told + ROUNDS * OBJECTS, seconds=SECONDS)
    assert all(site.ready(name)["status"] == "False" for name in names)

    written = writes(site.api, EXTERNAL, namespace, before[EXTERNAL])
    assert set(written) == set(names)
    # At most one refresh that was under way, then that the store is away, then why, if that is another reason.
    assert max(written.values()) <= 3
    wait_for(lambda: len(warnings(site)) >= OBJECTS, seconds=SECONDS)
    # Of each look there would be four by now.
    assert set(warnings(site)) == set(names)
    assert max(Counter(warnings(site)).values()) <= 2
    assert sum(writes(site.api, ("v1", "Event"), namespace, before["v1", "Event"]).values()) <= 2 * OBJECTS
    assert sum(writes(site.api, STORE, namespace, before[STORE]).values()) <= 3
    assert not set(names) & set(writes(site.api, ("v1", "Secret"), namespace, before["v1", "Secret"]))
    site.end()
