"""Leases whose controller was killed: what it had noted is seen to by the next one, and nothing dies unsaid."""

from __future__ import annotations

from collections.abc import Callable

import hvac
import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import EXTERNAL, NEVER, SECONDS, Site
from support.generated import Maker

pytestmark = pytest.mark.native
Start = Callable[..., ControllerProcess]
RIGHTS = """
path "auth/token/create" { capabilities = ["update"] }
path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "auth/token/renew-accessor" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
"""


def tokens_of_a_login(maker: Maker) -> None:
    """The generator makes tokens, each with the token of a login, which takes them with it."""
    root, site, name = maker.bao.root, maker.site, maker.site.namespace
    root.sys.create_or_update_policy(name, RIGHTS)
    root.auth.approle.create_or_update_approle(name, token_policies=[name], token_ttl="10h")
    secret = root.auth.approle.generate_secret_id(name)["data"]["secret_id"]
    meta = {"name": "role", "namespace": name}
    site.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"s": secret}})
    role = root.auth.approle.read_role_id(name)["data"]["role_id"]
    login = {"appRole": {"path": "approle", "roleId": role, "secretRef": {"name": "role", "key": "s"}}}
    parameters = {"ttl": "8h", "policies": ["default"]}
    maker.generator(
        "auth/token/create", method="POST", parameters=parameters, resultType="Auth",
        provider={"server": maker.bao.url, "auth": login},
    )  # fmt: skip


def is_good(maker: Maker, token: str) -> bool:
    try:
        maker.bao.root.auth.token.lookup(token)
    except hvac.exceptions.Forbidden:
        return False
    return True


def test_what_ended_with_the_login_of_a_killed_controller(site: Site, controller: Start) -> None:
    """The next one finds out at its first look: another is made; or the condition says so, where none is to be made."""
    maker = Maker(site)
    tokens_of_a_login(maker)
    first = controller()
    maker.create()
    maker.create("once", refreshPolicy="CreatedOnce")
    before, once = maker.made()["client_token"], maker.made("once")["client_token"]
    parents = {maker.lease(name)["parent"] for name in ("db", "once")}
    first.kill()
    assert is_good(maker, before)
    for parent in parents:
        maker.bao.root.auth.token.revoke_accessor(parent)
    assert not is_good(maker, once)
    second = controller("second")
    wait_for(lambda: (site.values() or {}).get("client_token") not in (None, before), seconds=SECONDS)
    assert is_good(maker, maker.made()["client_token"])
    assert second.metric('govgate_external_store_logins_total{outcome="answered",provider="vault"}') >= 1
    site.wait_refused("has ended, and refreshPolicy CreatedOnce does not replace it: delete the Secret once", "once")
    wait_for(lambda: {"LeaseLost", "UpdateFailed"} <= {one["reason"] for one in site.events()}, seconds=SECONDS)
    site.api.delete(site.secret("once") or {})
    wait_for(lambda: (site.values("once") or {}).get("client_token") not in (None, once), seconds=SECONDS)
    assert is_good(maker, maker.made("once")["client_token"])


def test_what_was_replaced_outlasts_its_controller_for_a_while(site: Site, controller: Start) -> None:
    """And is ended by the next one, which does not ask how long that while is now."""
    maker = Maker(site)
    first = controller(revokeGraceSeconds=5)
    created = maker.create(refreshInterval=NEVER)
    maker.made()
    lease = maker.lease()
    site.api.patch(created, {"metadata": {"annotations": {"force-sync": "now"}}})
    wait_for(lambda: maker.lease() != lease, seconds=SECONDS)
    first.kill()
    controller("second", revokeGraceSeconds=86_400)
    wait_for(lambda: not maker.lives(lease), seconds=SECONDS)
    assert maker.lives(maker.lease())
    wait_for(lambda: maker.replaced() == [], seconds=SECONDS)


def test_a_secret_that_goes_before_its_external_secret(site: Site, controller: Start) -> None:
    """As in a namespace that is deleted: what it noted is ended, also by a controller that did not make it."""
    maker = Maker(site)
    first = controller()
    maker.create()
    maker.made()
    lease = maker.lease()
    first.kill()
    second = controller("second")
    # What is put beside it is taken away by a look, which sees the note as well.
    site.api.patch(site.secret() or {}, {"data": {"other": "eA=="}})
    wait_for(lambda: "other" not in (site.values() or {"other"}), seconds=SECONDS)
    assert maker.lease() == lease
    with second.paused():
        site.api.delete(site.secret() or {})
        site.api.delete(site.api.get(*EXTERNAL, site.namespace, "db"))
    wait_for(maker.gone, seconds=SECONDS)
    wait_for(lambda: not maker.lives(lease), seconds=SECONDS)
