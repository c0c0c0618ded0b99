"""How often a new object is looked at, and what is asked for it."""

from __future__ import annotations

import pytest
from integration.external.conftest import Start
from support.cluster import wait_for
from support.external_site import SECONDS, Site
from support.generated import Maker

pytestmark = pytest.mark.native


def test_a_new_one_is_read_and_made_once(controller: Start, site: Site) -> None:
    """Though govgate itself writes its finalizer, its Secret and its status; nor is anything read or made after a restart.

    A look at which its store or generator was not seen yet, nor known to be ready, only waits.
    """
    process, maker = controller(), Maker(site)
    site.put("db", password="one")
    data = [{"secretKey": "password", "remoteRef": {"key": f"{site.namespace}/db", "property": "password"}}]
    names = [f"both-{number}" for number in range(5)]
    for name in names:
        maker.create(name, data=data, secretStoreRef={"name": site.store_name})
    made = [maker.made(name) for name in names]
    reads, results = (
        "govgate_external_store_reads_total",
        ("created", "updated", "unchanged", "waiting", "refused", "failed"),
    )

    def looks() -> dict[str, float]:
        said = {one: process.metric(f'govgate_external_reconciles_total{{result="{one}"}}') for one in results}
        return {one: count for one, count in said.items() if count}

    # The second one is for the Secret that was written: it is found to be as it shall be.
    wait_for(lambda: looks().get("unchanged", 0) >= len(names), seconds=SECONDS)
    assert looks()["created"] == len(names)
    assert not looks().keys() - {"created", "unchanged", "waiting"}
    assert (process.metric(reads), maker.count()) == (1, len(names))
    process.stop()
    process.start()
    wait_for(lambda: looks().get("unchanged", 0) >= len(names), seconds=SECONDS)
    assert not looks().keys() - {"unchanged", "waiting"}
    assert (process.metric(reads), maker.count()) == (0, len(names))
    assert [maker.made(name) for name in names] == made
