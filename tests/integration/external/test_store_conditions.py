"""What stores are told about themselves: nothing that nobody tried; and what is counted of them, and by name of what is not ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import EXTERNAL, SECONDS, Site

Json = dict[str, Any]
Start = Callable[..., ControllerProcess]
pytestmark = pytest.mark.native


def told(site: Site) -> list[str]:
    """The reasons of the Events about the store, sorted."""
    events = site.api.list("v1", "Event", site.namespace)
    return sorted(one["reason"] for one in events if one["involvedObject"]["name"] == site.store_name)


def test_a_store_that_refuses_the_credentials(site: Site, controller: Start) -> None:
    """Is not valid, though nobody reads it; a controller that starts leaves the condition as it is until it has tried."""
    site.token("nonsense")
    site.store_name += "-refused"
    site.store(token="nonsense")
    first = controller("first")
    wait_for(lambda: site.store_ready()["reason"] == "ValidationFailed", seconds=SECONDS)
    before = site.store_ready()
    assert "403" in before["message"]
    wait_for(lambda: told(site) == ["ValidationFailed"], seconds=SECONDS)
    name = f'{{kind="SecretStore",name="{site.store_name}",namespace="{site.namespace}"}}'
    assert first.metric(f"govgate_external_not_ready{name}") == 1
    assert first.metric('govgate_external_stores{state="failed"}') >= 1
    first.kill()
    second = controller("second")
    wait_for(lambda: second.metric(f"govgate_external_not_ready{name}") == 1, seconds=SECONDS)
    assert site.store_ready() == before
    site.store(refreshInterval=60)
    wait_for(lambda: site.store_ready()["reason"] == "Valid", seconds=SECONDS)
    wait_for(lambda: told(site) == ["Valid", "ValidationFailed"], seconds=SECONDS)
    assert second.metric(f"govgate_external_not_ready{name}") == 0


def test_a_store_that_is_read_with_each_namespaces_own_credentials(site: Site, controller: Start) -> None:
    """Nobody can say of it that it is valid; who has none is no matter of the others'."""
    provider = {
        "vault": {"server": site.bao.url, "path": "kv", "auth": {"tokenSecretRef": {"name": "absent", "key": "t"}}}
    }
    made = site.api.create({
        "apiVersion": EXTERNAL[0], "kind": "ClusterSecretStore", "metadata": {"name": f"own-{site.namespace}"},
        "spec": {"controller": "govgate", "provider": provider},
    })  # fmt: skip

    def reason() -> str:
        status = site.api.get(EXTERNAL[0], "ClusterSecretStore", "", made["metadata"]["name"]).get("status") or {}
        return next((str(one["reason"]) for one in status.get("conditions") or [] if one["status"] == "True"), "")

    try:
        controller()
        wait_for(lambda: reason() == "ValidationUnknown", seconds=SECONDS)
        one = site.external()
        one["spec"]["secretStoreRef"] = {"kind": "ClusterSecretStore", "name": made["metadata"]["name"]}
        site.api.create(one)
        site.wait_refused("absent")
        assert reason() == "ValidationUnknown"
    finally:
        site.api.delete(made)


def test_what_is_counted(site: Site, controller: Start) -> None:
    """Questions by provider and outcome, how long they took, and what is not ready by name, for as long as it is not."""
    running = controller()
    requests = "govgate_external_store_requests_total"
    answered = f'{requests}{{outcome="answered",provider="vault"}}'
    absent = f'{requests}{{outcome="notFound",provider="vault"}}'
    before = running.metric(answered), running.metric(absent)
    site.create(refreshInterval="1s")
    site.wait_refused("db")
    name = f'govgate_external_not_ready{{kind="ExternalSecret",name="db",namespace="{site.namespace}"}}'
    wait_for(lambda: running.metric(name) == 1, seconds=SECONDS)
    site.put("db", password="one")
    site.wait_values(password="one")
    wait_for(lambda: running.metric(name) == 0, seconds=SECONDS)
    assert name not in running.get("/metrics")[1]
    assert running.metric(answered) > before[0]
    assert running.metric(absent) > before[1]
    assert running.metric('govgate_external_store_request_seconds_count{provider="vault"}') > 0
