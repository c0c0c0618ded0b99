"""Reading a real OpenBao through the vault store."""

from __future__ import annotations

import asyncio

import hvac
import pytest
from support.openbao import ROOT_TOKEN

from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Reference

TOKEN = {"tokenSecretRef": {"name": "vault", "key": "token"}}


@pytest.fixture
def reader_token(bao, credentials):
    """A token of the policy ``reader`` in the Secret ``vault``."""
    token = bao.root.auth.token.create(policies=["reader"], ttl="1h")["auth"]["client_token"]
    credentials.add("vault", token=token + "\n")
    return token


@pytest.fixture
async def store(open_vault, reader_token):
    return await open_vault(TOKEN)


async def test_values_and_versions_of_kv_2(bao, store):
    """The newest version, or the one that is named; the property, or all of it as JSON; the provider's version and time."""
    bao.put("read/app", password="one", port=5432)
    bao.put("read/app", password="two", port=5432, nested={"a": [1.50, "<x>"]})
    newest = await store.get(Reference("read/app", "password"))
    assert (newest.value, newest.version) == (b"two", "2")
    assert newest.created.startswith("20")
    assert (await store.get(Reference("read/app", "password", "1"))).value == b"one"
    whole = await store.get(Reference("read/app"))
    assert whole.value == b'{"nested":{"a":[1.5,"\\u003cx\\u003e"]},"password":"two","port":5432}'
    assert {key: secret.value for key, secret in (await store.get_map(Reference("read/app"))).items()} == {
        "nested": b'{"a":[1.5,"\\u003cx\\u003e"]}', "password": b"two", "port": b"5432",
    }  # fmt: skip


@pytest.mark.parametrize("key", ["paths/k", "kv/paths/k", "kv/data/paths/k"])
async def test_mounts_may_be_part_of_the_key(bao, store, key):
    """As upstream allows them."""
    bao.put("paths/k", v="1")
    assert (await store.get(Reference(key, "v"))).value == b"1"


async def test_a_store_without_a_path_takes_the_mount_from_the_key(bao, open_vault, reader_token):
    """The first segment, or what comes before data."""
    bao.put("paths/k", v="1")
    store = await open_vault(TOKEN, path="")
    for key in ("kv/paths/k", "kv/data/paths/k"):
        assert (await store.get(Reference(key, "v"))).value == b"1"


async def test_kv_1(bao, open_vault, reader_token):
    """No versions and no metadata; asking for them is an error of the reference, not an empty answer."""
    bao.root.secrets.kv.v1.create_or_update_secret("app", {"password": "old"}, mount_point="kv1")
    store = await open_vault(TOKEN, path="kv1", version="v1")
    secret = await store.get(Reference("app", "password"))
    assert (secret.value, secret.version) == (b"old", "")
    for reference in (Reference("app", version="1"), Reference("app", metadata_policy="Fetch")):
        with pytest.raises(MisconfiguredError, match="KV v1"):
            await store.get(reference)


async def test_the_version_is_known_without_the_value(bao, open_vault, credentials):
    """For polling: from the metadata alone, by somebody who may not read values."""
    bao.put("meta/app", v="1")
    bao.put("meta/app", v="2")
    bao.root.secrets.kv.v2.update_metadata("meta/app", custom_metadata={"team": "a"}, mount_point="kv")
    bao.root.sys.create_or_update_policy("watcher", 'path "kv/metadata/*" { capabilities = ["read"] }')
    credentials.add("vault", token=bao.root.auth.token.create(policies=["watcher"])["auth"]["client_token"])
    store = await open_vault(TOKEN)
    metadata = await store.describe("meta/app")
    assert metadata.version == "2"
    assert metadata.document["team"] == "a"
    fetched = await store.get(Reference("meta/app", "team", metadata_policy="Fetch"))
    assert (fetched.value, fetched.version) == (b"a", "2")
    with pytest.raises(ForbiddenError):
        await store.get(Reference("meta/app"))


@pytest.mark.native
async def test_what_is_not_there_is_not_found(bao, store):
    """No secret, no version, no property, or one that was deleted."""
    bao.put("gone/app", v="1")
    bao.root.secrets.kv.v2.delete_latest_version_of_secret("gone/app", mount_point="kv")
    bao.put("there/app", v="1")
    for reference in (
        Reference("nothing/here"), Reference("there/app", version="7"), Reference("there/app", "w"), Reference("gone/app"),
    ):  # fmt: skip
        with pytest.raises(NotFoundError, match=reference.key):
            await store.get(reference)


@pytest.mark.parametrize("key", ["../sys/health", "a/../../sys/health", "a//b", "a/./b", "a\nb"])
async def test_a_key_does_not_leave_its_mount(store, key):
    """Clients resolve dots before they send: such a key is refused."""
    with pytest.raises(MisconfiguredError, match="no path of a secret"):
        await store.get(Reference(key))


async def test_odd_names_are_paths_too(bao, store):
    """What means something in a URL is part of the name."""
    bao.put("odd/a b?c#d%41", v="1")
    assert (await store.get(Reference("odd/a b?c#d%41", "v"))).value == b"1"


async def test_what_may_not_be_read_is_forbidden_and_costs_no_login(bao, open_vault, credentials):
    """A refusal by policy is told as one; the token is looked at, and kept."""
    store = await open_vault(_approle(bao, credentials))
    for _ in range(3):
        with pytest.raises(ForbiddenError, match="closed/app: 403"):
            await store.get(Reference("closed/app"))
    assert store._store.tokens.logins == 1


@pytest.mark.native
async def test_secrets_are_found_by_name_and_metadata(bao, store):
    """However deep; all conditions at once."""
    for name, team in (("find/a", "x"), ("find/deep/er/b", "x"), ("find/deep/c", "y")):
        bao.put(name, v="1")
        bao.root.secrets.kv.v2.update_metadata(name, custom_metadata={"team": team}, mount_point="kv")
    assert await store.find(Find(path="find")) == ["find/a", "find/deep/c", "find/deep/er/b"]
    assert await store.find(Find(path="find", name="/[bc]$")) == ["find/deep/c", "find/deep/er/b"]
    assert await store.find(Find(path="find", name="deep", tags={"team": "x"})) == ["find/deep/er/b"]


async def test_readers_share_one_token(bao, open_vault, credentials):
    """Many reads at a time, one login."""
    bao.put("shared/app", v="1")
    store = await open_vault(_approle(bao, credentials))
    found = await asyncio.gather(*[store.get(Reference("shared/app", "v")) for _ in range(40)])
    assert {secret.value for secret in found} == {b"1"}
    assert store._store.tokens.logins == 1


async def test_a_token_that_was_revoked_is_obtained_anew(bao, open_vault, credentials):
    """The read that finds it out succeeds."""
    bao.put("revoked/app", v="1")
    store = await open_vault(_approle(bao, credentials))
    await store.get(Reference("revoked/app"))
    bao.root.auth.token.revoke(store._store.tokens._held.text)
    assert (await store.get(Reference("revoked/app", "v"))).value == b"1"
    assert store._store.tokens.logins == 2


async def test_a_token_is_renewed_before_it_ends(bao, open_vault, credentials, monkeypatch):
    """At a part of its life, without a login; its time is moved by the test."""
    bao.put("renewed/app", v="1")
    store = await open_vault(_approle(bao, credentials))
    await store.get(Reference("renewed/app"))
    tokens = store._store.tokens
    held = tokens._held
    assert 0 < held.renew_at < held.ends
    tokens._held = type(held)(held.text, held.renewable, 0.0, held.ends)
    await store.get(Reference("renewed/app"))
    assert (tokens.logins, tokens.renewals, tokens._held.text) == (1, 1, held.text)


async def test_a_closed_store_gives_its_token_back(bao, open_vault, credentials):
    """What was obtained by a login is revoked; nothing is left behind at the server."""
    bao.put("closing/app", v="1")
    store = await open_vault(_approle(bao, credentials))
    await store.get(Reference("closing/app"))
    token = store._store.tokens._held.text
    await store.close()
    assert not hvac.Client(url=bao.url, token=token).is_authenticated()


async def test_a_static_token_stays(bao, store, reader_token):
    """It is not govgate's to revoke."""
    bao.put("static/app", v="1")
    await store.get(Reference("static/app"))
    await store.close()
    assert bao.root.auth.token.lookup(reader_token)["data"]["policies"] == ["default", "reader"]


async def test_a_static_token_that_ended_is_forbidden(bao, store, reader_token, credentials):
    """Until the Secret holds another one, which is then used."""
    bao.put("static/app", v="1")
    await store.get(Reference("static/app"))
    bao.root.auth.token.revoke(reader_token)
    with pytest.raises(ForbiddenError):
        await store.get(Reference("static/app"))
    credentials.add("vault", token=ROOT_TOKEN)
    assert (await store.get(Reference("static/app", "v"))).value == b"1"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"path": "none"}, "no handler for route"),
        ({"namespace": "none"}, "namespace not found"),
        ({"version": "v1"}, "Invalid path for a versioned K/V"),
    ],
)
async def test_an_engine_that_is_not_there_is_no_secret_that_is_gone(bao, open_vault, credentials, spec, says):
    """What was made of its secrets must not be deleted for a mistake in the store's manifest."""
    bao.put("engine/app", v="1")
    credentials.add("vault", token=ROOT_TOKEN)
    store = await open_vault(TOKEN, **spec)
    with pytest.raises(MisconfiguredError, match=says):
        await store.get(Reference("engine/app"))


async def test_wrong_credentials_are_tried_once_for_all_who_ask_at_once(bao, open_vault, credentials):
    """The account is not locked by a thousand objects that read by it."""
    bao.root.auth.userpass.create_or_update_user("locked", "right-password-1", policies=["reader"])
    credentials.add("vault", password="wrong-password-1")
    store = await open_vault({"userPass": {"username": "locked", "secretRef": {"name": "vault", "key": "password"}}})
    reads = [store.get(Reference(f"app-{number}")) for number in range(20)]
    found = await asyncio.gather(*reads, return_exceptions=True)
    assert {type(error) for error in found} == {RejectedError}
    assert store._store.tokens.logins == 1


async def test_a_server_that_is_not_there_is_unavailable(open_vault, reader_token):
    """In one line, in the system's words."""
    store = await open_vault(TOKEN, server="http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"cannot be reached: Connection refused"):
        await store.get(Reference("a"))


async def test_an_answer_that_is_too_large_is_refused(bao, open_vault, reader_token):
    """Bounded while it is read."""
    bao.put("large/app", v="x" * 20_000)
    store = await open_vault(TOKEN, limits=StoreLimits(answer_bytes=10_000))
    with pytest.raises(Exception, match="larger than 10000 bytes"):
        await store.get(Reference("large/app"))


def _approle(bao, credentials):
    bao.root.auth.approle.create_or_update_approle("reader", token_policies=["reader"], token_ttl="10m")
    role = bao.root.auth.approle.read_role_id("reader")["data"]["role_id"]
    secret = bao.root.auth.approle.generate_secret_id("reader")["data"]["secret_id"]
    credentials.add("approle", secret=secret)
    return {"appRole": {"roleId": role, "secretRef": {"name": "approle", "key": "secret"}}}
