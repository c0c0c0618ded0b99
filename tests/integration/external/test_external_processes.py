"""Controllers of ExternalSecrets that are started, killed and started again; whose objects they take; what they record."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import NEVER, SECONDS, Site, unwritable
from support.generated import Maker
from support.leaks import leaks

from gateway.controllers.external.shards import Shard

pytestmark = pytest.mark.native
Start = Callable[..., ControllerProcess]
READS = "govgate_external_store_reads_total"


def looks(process: ControllerProcess, result: str) -> float:
    return process.metric(f'govgate_external_reconciles_total{{result="{result}"}}')


def records(process: ControllerProcess) -> str:
    """What is in the audit log of a controller that was stopped; it verifies."""
    command = [sys.executable, "-m", "gateway", "audit"]
    options = ["--state-dir", str(process.state)]
    verified = subprocess.run([*command, "verify", *options], check=False, timeout=60, capture_output=True)
    assert verified.returncode == 0
    done = subprocess.run(
        [*command, "query", *options, "-o", "json"], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_after_a_restart_nothing_is_read_and_nothing_written(site: Site, controller: Start) -> None:
    """What is in sync is left alone; a change of the object itself is another matter. What was read is on record."""
    site.put("db", password="canary-of-the-test")
    first = controller()
    site.create(refreshInterval=NEVER)
    site.wait_values(password="canary-of-the-test")
    before = site.secret()
    assert first.stop() == 0
    recorded = records(first)
    assert f"{site.namespace}/db" in recorded
    assert "secret-read" in recorded
    assert leaks(recorded, ["canary-of-the-test"]) == []
    site.put("db", password="two")
    second = controller("controller")
    wait_for(lambda: looks(second, "unchanged") >= 1, seconds=SECONDS)
    assert second.metric(READS) == 0
    assert site.secret() == before
    site.api.patch(site.external(), {"metadata": {"annotations": {"force-sync": "now"}}})
    site.wait_values(password="two")


def test_whose_stores_are_claimed(site: Site, controller: Start) -> None:
    """Those that say so; in namespaces that were handed over, those that say nothing, but not another's."""
    site.put("db", password="one")
    site.store(controller="")
    process = controller(namespaces=[])
    site.create()
    site.create("marker", keys=(), dataFrom=[{"extract": {"key": f"{site.namespace}/db"}}])
    wait_for(lambda: looks(process, "unclaimed") >= 2, seconds=SECONDS)
    assert (site.secret(), site.ready()) == (None, {})
    process.kill()
    controller("handed-over", namespaces=[site.namespace[:-1] + "*"])
    site.wait_values(password="one")
    site.store(controller="eso")
    site.api.delete(site.secret() or {})
    site.create("later")
    site.store(controller="govgate")
    site.wait_values("later", password="one")


def test_killed_between_reading_and_writing(site: Site, controller: Start) -> None:
    """It had the value and could not write it: the next one writes it, whole, and nothing was there before."""
    site.put("db", password="one", user="bob")
    with unwritable(site):
        first = controller()
        site.create(keys=("password", "user"))
        site.wait_refused("the API server does not take the Secret")
        assert first.metric(READS) >= 1
        first.kill()
        assert site.secret() is None
    controller("second")
    site.wait_values(password="one", user="bob")


def test_what_vault_made_outlasts_the_process(site: Site, controller: Start) -> None:
    """A restart makes nothing anew; and a write that fails makes nothing anew, until the process is killed: then what it
    made is lost, and ends by itself. What is made is on record, without its value."""
    maker = Maker(site)
    with unwritable(site):
        first = controller()
        maker.create()
        site.wait_refused("the API server does not take the Secret")
        wait_for(lambda: looks(first, "refused") >= 3, seconds=SECONDS)
        assert maker.count() == 1
        first.kill()
    second = controller("second")
    made = maker.made()
    assert maker.count() == 2
    assert second.stop() == 0
    recorded = records(second)
    assert recorded.count('"secret-made"') == 1
    assert leaks(recorded + second.log.read_text() + first.log.read_text(), [made["private_key"]]) == []
    third = controller("second")
    wait_for(lambda: looks(third, "unchanged") >= 1, seconds=SECONDS)
    assert maker.made() == made
    assert maker.count() == 2


def test_versions_are_polled(site: Site, controller: Start) -> None:
    """A change is seen before its time has come, by its version alone: what did not change is not read."""
    site.put("db", password="one")
    site.put("still", password="same")
    process = controller(pollSeconds=0.5)
    site.create(refreshInterval=NEVER)
    site.create("still", path="still", refreshInterval=NEVER)
    site.wait_values(password="one")
    site.wait_values("still", password="same")
    site.put("db", password="two")
    site.wait_values(password="two")
    assert process.metric(READS) == 3


def test_what_changed_while_no_controller_ran_is_polled(site: Site, controller: Start) -> None:
    """Also what is merged into a Secret, what a search found, and beside a key that no store takes, of the same store."""
    for key in ("own", "merged", "found/a"):
        site.put(key, password="one")
    meta = {"name": "shared", "namespace": site.namespace}
    site.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta})
    first = controller(pollSeconds=0.5)
    site.create("bad", path="x/../y", refreshInterval=NEVER)
    site.wait_refused("", "bad")
    site.create("own", path="own", refreshInterval=NEVER)
    site.create("merged", path="merged", refreshInterval=NEVER, target={"name": "shared", "creationPolicy": "Merge"})
    search = {"path": f"{site.namespace}/found", "name": {"regexp": "."}}
    rename = {"regexp": {"source": ".*/(.)/?", "target": "$1"}}
    site.create("found", keys=(), dataFrom=[{"find": search, "rewrite": [rename]}], refreshInterval=NEVER)

    def wait(value: str) -> None:
        site.wait_values("own", password=value)
        wait_for(lambda: site.values("shared") == {"password": value}, seconds=SECONDS)
        wait_for(lambda: value in str(site.values("found")), seconds=SECONDS)

    wait("one")
    first.kill()
    for key in ("own", "merged", "found/a"):
        site.put(key, password="two")
    controller("controller", pollSeconds=0.5)
    wait("two")
    for key in ("own", "merged", "found/a"):
        site.put(key, password="three")
    wait("three")


def test_namespaces_are_shared_out(site: Site, controller: Start) -> None:
    """Of two controllers each works on its own part, at the same time."""
    site.put("db", password="one")
    processes = [controller(f"controller-{index}", shards=2, shard=index) for index in range(2)]
    site.create(refreshInterval=NEVER)
    site.wait_values(password="one")
    (mine,) = [index for index in range(2) if Shard(index, 2).has(site.namespace)]
    assert [process.metric(READS) for process in processes] == [float(index == mine) for index in range(2)]
