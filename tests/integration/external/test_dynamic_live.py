"""What a real OpenBao makes for ExternalSecrets: certificates, one-time passwords, tokens; one for each refresh, leases renewed and ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hvac
import pytest
from support.cluster import wait_for
from support.external_site import EXTERNAL, NEVER, SECONDS, Site
from support.generated import FINALIZER, GENERATORS, Maker

Json = dict[str, Any]
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


@pytest.fixture
def maker(site: Site) -> Iterator[Maker]:
    made = Maker(site)
    yield made
    site.api.delete_collection(*EXTERNAL, site.namespace)


def otp(maker: Maker, **spec: Any) -> Json:
    return maker.generator("ssh/creds/otp", method="POST", parameters={"ip": "10.1.2.3"}, **spec)


def test_a_certificate(maker: Maker) -> None:
    """Issued once; its lease is noted, and not its value; it is revoked with the ExternalSecret."""
    created = maker.create()
    first = maker.made()
    assert first["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    lease = maker.lease()
    assert maker.lives(lease)
    maker.site.api.patch(maker.site.secret() or {}, {"metadata": {"labels": {"touched": "yes"}}})
    assert maker.made() == first
    current = maker.site.api.get(*EXTERNAL, maker.site.namespace, "db")
    assert FINALIZER in current["metadata"]["finalizers"]
    assert first["private_key"][40:60] not in json.dumps(current)
    maker.site.api.delete(created)
    wait_for(maker.gone, seconds=SECONDS)
    assert not maker.lives(lease)
    serial = first["serial_number"]
    assert maker.bao.root.read(f"pki/cert/{serial}")["data"]["revocation_time"] > 0


def test_another_one_at_each_refresh(maker: Maker) -> None:
    """And when the ExternalSecret changes; what is replaced is ended."""
    otp(maker)
    created = maker.create(refreshInterval="3s")
    first, lease = maker.made()["key"], maker.lease()
    wait_for(lambda: (maker.site.values() or {}).get("key") not in (None, first), seconds=SECONDS)
    wait_for(lambda: not maker.lives(lease), seconds=SECONDS)
    maker.site.api.patch(created, {"spec": {"refreshInterval": NEVER}})
    wait_for(lambda: maker.note()["version"].startswith("2-"), seconds=SECONDS)
    second = maker.made()["key"]
    maker.site.api.patch(created, {"metadata": {"annotations": {"force-sync": "now"}}})
    wait_for(lambda: maker.made()["key"] != second, seconds=SECONDS)


def test_a_token(maker: Maker) -> None:
    """By its accessor it is ended with the ExternalSecret."""
    parameters = {"ttl": "1h", "policies": ["default"]}
    maker.generator("auth/token/create", method="POST", parameters=parameters, resultType="Auth")
    created = maker.create()
    token = maker.made()["client_token"]
    assert maker.bao.root.auth.token.lookup(token)["data"]["ttl"] > 0
    maker.site.api.delete(created)
    wait_for(maker.gone, seconds=SECONDS)
    with pytest.raises(hvac.exceptions.Forbidden):
        maker.bao.root.auth.token.lookup(token)


def test_a_template_may_replace_what_was_made(maker: Maker) -> None:
    """It is kept in memory, so that a Secret that was changed is mended with the same."""
    otp(maker)
    maker.create(target={"template": {"data": {"login": "{{ .username }}:{{ .key }}"}}})
    first = maker.made()
    assert first["login"].startswith("bob:")
    secret = maker.site.secret() or {}
    maker.site.api.patch(secret, {"data": {"login": "eA=="}})
    wait_for(lambda: maker.site.values() == first, seconds=SECONDS)


def test_whose_generators_are_run(maker: Maker) -> None:
    """Those that say so; a change of that is seen at once."""
    otp(maker, controller="other")
    maker.site.put("db", user="bob")
    entry = {"secretKey": "user", "remoteRef": {"key": f"{maker.site.namespace}/db", "property": "user"}}
    maker.create(secretStoreRef={"name": maker.site.store_name}, data=[entry])
    maker.site.wait_refused("VaultDynamicSecret made is not govgate's: its spec.controller is 'other'")
    otp(maker)
    assert maker.made()["username"] == "bob"


def test_one_of_the_cluster(maker: Maker) -> None:
    """It asks with the credentials of the ExternalSecret's namespace."""
    spec = maker.spec("ssh/creds/otp", method="POST", parameters={"ip": "10.1.2.3"})
    generator = {"kind": "VaultDynamicSecret", "generator": {"vaultDynamicSecretSpec": spec}}
    made = {"apiVersion": GENERATORS, "kind": "ClusterGenerator", "metadata": {"name": "made"}, "spec": generator}
    maker.site.api.apply(made, manager="tests")
    try:
        maker.create(kind="ClusterGenerator")
        assert len(maker.made()["key"]) > 20
        assert maker.lives(maker.lease())
    finally:
        maker.site.api.delete(made)
