"""The search for planted values at the end of a run sees what programs say: shown by something that they may say."""

from __future__ import annotations

import pytest
from integration.external.conftest import Start
from support.cluster import wait_for
from support.external_site import SECONDS, TOLD, Site
from support.said import AUDIT, EVENTS, LOGS, METRICS, OBJECTS, SAID

pytestmark = pytest.mark.native


def test_what_programs_say_is_searched(site: Site, controller: Start) -> None:
    """The name of a path is found where it is told: in a condition, an event and the audit log; so are a line of the
    log, and a metric."""
    path = f"Told{site.namespace}0"
    process = controller()
    site.put(path, password="one")
    site.create(path=path)
    site.wait_values(password="one")
    site.create("refused", path=path, keys=("none",))
    site.wait_refused("none", "refused")
    wait_for(lambda: "UpdateFailed" in {one["reason"] for one in site.events()}, seconds=SECONDS)
    assert process.get("/metrics")[0] == 200
    assert process.stop() == 0
    SAID.namespace(site.api, site.namespace, TOLD)
    assert {AUDIT, EVENTS, OBJECTS} <= SAID.leaks([path]).keys()
    assert LOGS in SAID.leaks(['"event":"listening"'])
    assert METRICS in SAID.leaks(["govgate_external"])
