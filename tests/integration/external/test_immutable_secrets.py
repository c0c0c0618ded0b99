"""Immutable Secrets, and finalizers of templates, against a real API server and a real OpenBao."""

from __future__ import annotations

import pytest
from support.cluster import wait_for
from support.external_site import NEVER, SECONDS, Site

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]
SYNC = {"metadata": {"annotations": {"force-sync": "now"}}}


def test_one_that_is_to_be_immutable_stays(site: Site) -> None:
    """When the store's value changes, that is said, in the condition and in an Event; it is made anew when it is deleted."""
    site.put("db", password="one")
    site.create(refreshInterval=NEVER, target={"immutable": True})
    site.wait_values(password="one")
    site.put("db", password="two")
    site.api.patch(site.external(), SYNC)
    wait_for(lambda: "differs from what it holds" in site.ready()["message"], seconds=SECONDS)
    assert (site.ready()["status"], site.ready()["reason"]) == ("True", "SecretSynced")
    wait_for(lambda: any("differs from what it holds" in one["message"] for one in site.events()), seconds=SECONDS)
    assert site.values() == {"password": "one"}
    secret = site.secret()
    assert secret is not None
    site.api.delete(secret)
    site.wait_values(password="two")
    wait_for(lambda: site.ready()["message"] == "the Secret is in sync", seconds=SECONDS)


def test_finalizers_of_the_template_are_on_the_secret(site: Site) -> None:
    """So that it stays until whoever they are of takes them away."""
    site.put("db", password="one")
    site.create(refreshInterval=NEVER, target={"template": {"metadata": {"finalizers": ["example.com/kept"]}}})
    site.wait_values(password="one")
    secret = site.secret()
    assert secret is not None
    assert secret["metadata"]["finalizers"] == ["example.com/kept"]
    site.api.delete(site.external())
    site.api.delete(secret)
    assert site.secret() is not None
    site.api.patch(secret, {"metadata": {"finalizers": None}})
    wait_for(lambda: site.secret() is None, seconds=SECONDS)
