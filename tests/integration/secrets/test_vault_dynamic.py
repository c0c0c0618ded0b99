"""Secrets that a real OpenBao makes: users of a message broker, certificates, tokens; their leases renewed and revoked."""

from __future__ import annotations

import asyncio
import time

import hvac
import msgspec
import pytest
from aiohttp import web

from gateway_secrets.stores.credentials import FolderCredentials, Scope
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, NotFoundError
from gateway_secrets.stores.manifest import parse_manifest
from gateway_secrets.stores.vault_dynamic import open_dynamic

RIGHTS = """
path "rabbitmq/creds/*" { capabilities = ["read"] }
path "pki/*" { capabilities = ["read", "update", "list"] }
path "auth/token/create" { capabilities = ["update"] }
path "auth/token/renew-accessor" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
path "auth/userpass/login/*" { capabilities = ["update"] }
path "kv/*" { capabilities = ["read", "update", "delete"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"""


class Broker:
    """RabbitMQ's management, as far as OpenBao uses it: the users that there are."""

    def __init__(self) -> None:
        self.users: set[str] = set()

    async def answer(self, request: web.Request) -> web.Response:
        kind, name = request.path.split("/")[2], request.path.rsplit("/", 1)[1]
        if kind == "users":
            {"PUT": self.users.add, "DELETE": self.users.discard}[request.method](name)
        return web.Response(status=204)


@pytest.fixture
async def broker(bao):
    """One that the engine ``rabbitmq`` makes users of: for an hour, and renewed two hours at most."""
    broker = Broker()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", broker.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    def configure() -> None:
        if "rabbitmq/" not in bao.root.sys.list_mounted_secrets_engines()["data"]:
            bao.root.sys.enable_secrets_engine("rabbitmq")
        connection = {
            "connection_uri": f"http://127.0.0.1:{runner.addresses[0][1]}", "username": "a", "password": "b",
            "verify_connection": False,
        }  # fmt: skip
        bao.root.write_data("rabbitmq/config/connection", data=connection)
        bao.root.write_data("rabbitmq/config/lease", data={"ttl": 3600, "max_ttl": 7200})
        vhosts = '{"/": {"configure": "", "write": ".*", "read": ".*"}}'
        bao.root.write_data("rabbitmq/roles/app", data={"vhosts": vhosts})

    await asyncio.to_thread(configure)
    yield broker
    await asyncio.to_thread(bao.root.sys.revoke_prefix, "rabbitmq/")
    await runner.cleanup()


@pytest.fixture
async def dynamic(bao, credentials):
    """Opens a VaultDynamicSecret; logs in with AppRole, so that the token is its own."""
    bao.root.sys.create_or_update_policy("dynamic", RIGHTS)
    bao.root.auth.approle.create_or_update_approle("dynamic", token_policies=["dynamic"], token_ttl="10h")
    role = bao.root.auth.approle.read_role_id("dynamic")["data"]["role_id"]
    credentials.add("approle", secret=bao.root.auth.approle.generate_secret_id("dynamic")["data"]["secret_id"])
    auth = {"appRole": {"roleId": role, "secretRef": {"name": "approle", "key": "secret"}}}
    manifest = {
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "s"}, "spec": {"provider": {}},
    }  # fmt: skip
    scope = Scope(parse_manifest(manifest, source="test"), FolderCredentials(credentials.folder))
    made = []

    async def opened(path, **spec):
        source = await open_dynamic({"path": path, "provider": {"server": bao.url, "auth": auth}, **spec}, scope)
        made.append(source)
        return source

    yield opened
    for source in made:
        await source.close()


async def test_a_user_is_made_and_its_lease_renewed_and_revoked(broker, dynamic):
    """It is there until then, and not after."""
    source = await dynamic("rabbitmq/creds/app")
    first, second = await source.generate(), await source.generate()
    assert {first.values["username"].decode(), second.values["username"].decode()} == broker.users
    assert len(first.values["password"]) > 20
    lease = first.lease
    assert (lease.seconds, lease.renewable) == (3600, True)
    assert lease.due(0.5) - time.time() == pytest.approx(1800, abs=600)
    assert (await source.renew(lease)).seconds == pytest.approx(3600, abs=600)
    await source.revoke(lease)
    assert broker.users == {second.values["username"].decode()}
    with pytest.raises(NotFoundError, match=r"renewing: .*lease not found"):
        await source.renew(lease)
    assert first.values["password"].decode() not in repr(first)


async def test_closing_does_not_end_what_is_in_use(bao, broker, dynamic):
    """A token takes its leases with it: it is given back only if there are none."""
    source = await dynamic("rabbitmq/creds/app")
    made = await source.generate()
    token = source._store.tokens._held.text
    await source.close()
    await asyncio.to_thread(_looked_up, bao, token)
    assert broker.users == {made.values["username"].decode()}
    other = await dynamic("rabbitmq/creds/app")
    await other.revoke(made.lease)
    assert broker.users == set()
    token = other._store.tokens._held.text
    await other.close()
    with pytest.raises(hvac.exceptions.Forbidden):
        await asyncio.to_thread(_looked_up, bao, token)


def _looked_up(bao, token):
    """Whether a token is still good."""
    client = hvac.Client(url=bao.url, token=token)
    try:
        client.auth.token.lookup_self()
    finally:
        client.adapter.close()


async def test_a_lease_is_not_told_to_last_longer_than_its_token(bao, broker, dynamic):
    """It is revoked with it."""
    bao.root.auth.approle.create_or_update_approle("dynamic", token_policies=["dynamic"], token_ttl="10m")
    made = await (await dynamic("rabbitmq/creds/app")).generate()
    assert 0 < made.lease.seconds <= 600


async def test_a_certificate_is_issued_and_revoked(bao, dynamic):
    """By a write with parameters; its lease, where the role makes one, revokes it."""
    if "pki/" not in bao.root.sys.list_mounted_secrets_engines()["data"]:
        bao.root.sys.enable_secrets_engine("pki")
    bao.root.write_data("pki/root/generate/internal", data={"common_name": "tests", "ttl": "1h"})
    role = {"allow_any_name": True, "generate_lease": True, "key_type": "ec", "key_bits": 256}
    bao.root.write_data("pki/roles/app", data=role)
    parameters = {"common_name": "app.example.com", "ttl": "10m"}
    source = await dynamic("/pki/issue/app", method="POST", parameters=parameters)
    made = await source.generate()
    assert made.values["certificate"].startswith(b"-----BEGIN CERTIFICATE-----")
    assert made.values["private_key"].startswith(b"-----BEGIN")
    await source.revoke(made.lease)
    serial = made.values["serial_number"].decode()
    assert bao.root.read(f"pki/cert/{serial}")["data"]["revocation_time"] > 0


async def test_what_part_of_the_answer_is_given(bao, dynamic):
    """``data``, ``auth`` or all of it; anything but text as JSON."""
    token = await dynamic("auth/token/create", method="POST", parameters={"ttl": "1h"}, resultType="Auth")
    made = await token.generate()
    assert made.values["policies"] == b'["default","dynamic"]'
    assert made.values["client_token"]
    raw = await (await dynamic("auth/token/create", method="POST", resultType="Raw")).generate()
    assert b'"client_token"' in raw.values["auth"]
    with pytest.raises(NotFoundError, match="has no data"):
        await (await dynamic("auth/token/create", method="POST")).generate()


async def test_a_token_that_was_made_is_renewed_and_ended_by_its_accessor(bao, dynamic):
    """As a lease is; also twice."""
    source = await dynamic("auth/token/create", method="POST", parameters={"ttl": "1h"}, resultType="Auth")
    made = await source.generate()
    assert (made.lease.sort, made.lease.renewable) == ("token", True)
    assert made.lease.id == made.values["accessor"].decode()
    assert made.lease.until - time.time() == pytest.approx(36_000, abs=600)
    assert (await source.renew(made.lease)).seconds == pytest.approx(3600, abs=600)
    token = made.values["client_token"].decode()
    await asyncio.to_thread(_looked_up, bao, token)
    await source.revoke(made.lease)
    await source.revoke(made.lease)
    with pytest.raises(hvac.exceptions.Forbidden):
        await asyncio.to_thread(_looked_up, bao, token)
    with pytest.raises(NotFoundError, match="accessor"):
        await source.renew(made.lease)


async def test_a_token_of_a_login_ends_by_itself_alone(bao, dynamic):
    """Not with the token that it was asked for with."""
    bao.root.auth.userpass.create_or_update_user("bob", password="of-bob", token_policies=["default"])
    login = {"method": "POST", "parameters": {"password": "of-bob"}, "resultType": "Auth"}
    made = await (await dynamic("auth/userpass/login/bob", **login)).generate()
    assert (made.lease.sort, made.lease.until) == ("token", None)


@pytest.mark.parametrize("allowed", [True, False])
async def test_what_another_process_made_lasts_as_long_as_what_it_was_made_with(bao, broker, dynamic, allowed):
    """That is renewed by its accessor, by whoever may; else it is told to last no longer than its token is known to: not as
    this process's.
    """
    rights = RIGHTS if allowed else RIGHTS.replace("renew-accessor", "another")
    bao.root.sys.create_or_update_policy("dynamic", rights)
    bao.root.auth.approle.create_or_update_approle("dynamic", token_policies=["dynamic"], token_ttl="10m")
    lease = (await (await dynamic("rabbitmq/creds/app")).generate()).lease
    bao.root.auth.approle.create_or_update_approle("dynamic", token_policies=["dynamic"], token_ttl="10h")
    known = msgspec.structs.replace(lease, ends=lease.ends - 300, until=lease.until - 300)
    renewed = await (await dynamic("rabbitmq/creds/app")).renew(known)
    if allowed:
        assert renewed.until > lease.until + 1_000
    else:
        assert renewed.until == known.until
        assert renewed.ends == pytest.approx(known.until, abs=1)
    assert renewed.parent == lease.parent


async def test_whether_a_lease_is_still_good(bao, broker, dynamic):
    """Of a secret, and of a token; what says that it is no more is told from who may not ask."""
    token = {"method": "POST", "parameters": {"ttl": "1h"}, "resultType": "Auth"}
    for path, how, right in (
        ("rabbitmq/creds/app", {}, "sys/leases/lookup"),
        ("auth/token/create", token, "auth/token/lookup-accessor"),
    ):
        bao.root.sys.create_or_update_policy("dynamic", RIGHTS)
        source = await dynamic(path, **how)
        lease = (await source.generate()).lease
        if lease.sort == "token":
            with pytest.raises(ForbiddenError):
                await source.look(lease)
        granted = f'{RIGHTS}\npath "{right}" {{ capabilities = ["update"] }}'
        bao.root.sys.create_or_update_policy("dynamic", granted)
        await source.look(lease)
        await source.revoke(lease)
        with pytest.raises(NotFoundError):
            await source.look(lease)


async def test_an_empty_answer_may_be_allowed(bao, dynamic):
    """Else it is an error."""
    bao.put("dynamic/empty", v="1")
    with pytest.raises(NotFoundError, match="has no data"):
        await (await dynamic("kv/data/dynamic/empty", method="DELETE")).generate()
    made = await (await dynamic("kv/data/dynamic/empty", method="DELETE", allowEmptyResponse=True)).generate()
    assert (made.values, made.lease) == ({}, None)


async def test_what_is_refused_is_forbidden_and_what_is_wrong_says_so(dynamic):
    """Each before or after it was sent."""
    with pytest.raises(ForbiddenError, match="sys/raw"):
        await (await dynamic("sys/raw/core")).generate()
    for path, says in (("a/../../b", "no path"), ("", "no path")):
        with pytest.raises(MisconfiguredError, match=says):
            await dynamic(path)
    with pytest.raises(MisconfiguredError, match="resultType"):
        await dynamic("a", resultType="Other")
