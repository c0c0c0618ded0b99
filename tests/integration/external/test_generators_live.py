"""Generators, against a real API server: what was made stays."""

from __future__ import annotations

from typing import Any

import pytest
from support.cluster import wait_for
from support.external_site import SECONDS, Site

Json = dict[str, Any]
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]
MADE = [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "pw"}}}]


def make(site: Site, kind: str = "Password", **spec: Any) -> None:
    meta = {"name": "pw", "namespace": site.namespace}
    site.api.create(
        {"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    )


def made(site: Site, name: str = "db") -> str:
    """The password, when the ExternalSecret is ready."""
    wait_for(lambda: site.ready(name).get("status") == "True" and bool(site.values(name)), seconds=SECONDS)
    return (site.values(name) or {})["password"]


def test_what_was_made_stays(site: Site) -> None:
    """When it is refreshed, changed, and made anew with its Secret kept; whoever deletes the Secret gets another one."""
    make(site, length=12, symbols=0)
    site.put("db", user="one")
    created = site.create(keys=("user",), dataFrom=MADE, refreshInterval="1s", target={"creationPolicy": "Orphan"})
    first = made(site)
    assert len(first) == 12
    site.put("db", user="two")
    site.wait_values(user="two", password=first)
    site.api.patch(created, {"metadata": {"labels": {"changed": "yes"}}})
    wait_for(
        lambda: ((site.secret() or {}).get("metadata") or {}).get("labels", {}).get("changed") == "yes", seconds=SECONDS
    )
    assert made(site) == first
    site.api.delete(created)
    again = site.create(keys=("user",), dataFrom=MADE, refreshInterval="1s", target={"creationPolicy": "Orphan"})

    def taken() -> bool:
        secret = site.secret() or {"metadata": {}}
        return again["metadata"]["uid"] in secret["metadata"].get("annotations", {}).get(
            "secrets.govgate.dev/record", ""
        )

    wait_for(taken, seconds=SECONDS)
    assert made(site) == first
    site.api.delete(site.secret() or {})
    wait_for(lambda: (site.values() or {}).get("password") not in (None, first), seconds=SECONDS)


def test_one_that_is_not_there(site: Site) -> None:
    """It is said; and when it is made, so is the value."""
    site.create(keys=(), dataFrom=MADE)
    site.wait_refused("there is no Password pw")
    make(site)
    assert len(made(site)) == 24


def test_what_is_there_already_is_not_overwritten(site: Site) -> None:
    """A password that somebody put into the Secret before."""
    make(site)
    meta = {"name": "db", "namespace": site.namespace}
    site.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": "by-hand"}})
    site.create(keys=(), dataFrom=MADE)
    assert made(site) == "by-hand"
