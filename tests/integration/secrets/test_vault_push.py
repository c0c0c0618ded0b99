"""Writing to a real OpenBao: whose secrets, which versions, and who was quicker."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, UnusableError
from gateway_secrets.stores.model import Reference

TOKEN = {"tokenSecretRef": {"name": "vault", "key": "token"}}


@pytest.fixture
async def store(bao, open_vault, credentials):
    rule = 'path "kv/*" { capabilities = ["create", "read", "update", "delete"] }'
    bao.root.sys.create_or_update_policy("pusher", rule + rule.replace("kv/", "kv1/"))
    credentials.add("vault", token=bao.root.auth.token.create(policies=["pusher"])["auth"]["client_token"])
    return await open_vault(TOKEN)


async def test_what_somebody_else_made_is_left_alone(bao, store, open_vault):
    """Neither overwritten nor removed, in KV v2 and v1."""
    bao.put("push/theirs", v="1")
    bao.root.secrets.kv.v1.create_or_update_secret("theirs", {"v": "1"}, mount_point="kv1")
    old = await open_vault(TOKEN, path="kv1", version="v1")
    for found, key in ((store, "push/theirs"), (old, "theirs")):
        for change in (found.put(Reference(key, "v"), b"2"), found.delete(Reference(key))):
            with pytest.raises(MisconfiguredError, match="not made by pushing"):
                await change
        assert (await found.get(Reference(key, "v"))).value == b"1"


async def test_what_was_pushed_carries_the_mark_of_eso(bao, store, open_vault):
    """In the custom metadata; in KV v1 as a member."""
    await store.put(Reference("push/marked", "v"), b"1")
    metadata = bao.root.secrets.kv.v2.read_secret_metadata("push/marked", mount_point="kv")["data"]
    assert metadata["custom_metadata"] == {"managed-by": "external-secrets"}
    await (await open_vault(TOKEN, path="kv1", version="v1")).put(Reference("marked", "v"), b"1")
    found = bao.root.secrets.kv.v1.read_secret("marked", mount_point="kv1")["data"]
    assert found == {"custom_metadata": {"managed-by": "external-secrets"}, "v": "1"}


async def test_who_writes_at_the_same_time_loses_nothing(bao, store, open_vault):
    """Each change is made to the version that was seen, and anew if that is not the newest any more."""
    other = await open_vault(TOKEN)
    bao.root.secrets.kv.v2.update_metadata(
        "push/raced", custom_metadata={"managed-by": "external-secrets"}, mount_point="kv"
    )
    await asyncio.gather(
        *[store.put(Reference("push/raced", f"a{n}"), b"1") for n in range(3)],
        *[other.put(Reference("push/raced", f"b{n}"), b"2") for n in range(2)],
    )
    whole = json.loads((await store.get(Reference("push/raced"))).value)
    assert whole == {**{f"a{n}": "1" for n in range(3)}, **{f"b{n}": "2" for n in range(2)}}


async def test_check_and_set_may_be_required(bao, store):
    """It is used always."""
    bao.root.secrets.kv.v2.update_metadata(
        "push/cas", cas_required=True, custom_metadata={"managed-by": "external-secrets"}, mount_point="kv"
    )
    assert [await store.put(Reference("push/cas", "v"), value) for value in (b"1", b"2")] == ["1", "2"]


async def test_numbers_stay_numbers(bao, store):
    """Writing one member does not make strings of its neighbours."""
    await store.put(Reference("push/numbers"), b'{"f": 1.5, "n": 12345678901}')
    await store.put(Reference("push/numbers", "a"), b"1")
    assert (await store.get(Reference("push/numbers"))).value == b'{"a":"1","f":1.5,"n":12345678901}'


async def test_a_secret_whose_newest_version_was_deleted_is_written_again(bao, store):
    """As the next version."""
    await store.put(Reference("push/again", "v"), b"1")
    bao.root.secrets.kv.v2.delete_latest_version_of_secret("push/again", mount_point="kv")
    assert await store.put(Reference("push/again", "w"), b"2") == "2"
    assert (await store.get(Reference("push/again"))).value == b'{"w":"2"}'


async def test_vault_holds_objects(store):
    """Anything else needs a property."""
    for value in (b"text", b"[1]", b"\xff"):
        with pytest.raises(UnusableError, match="no JSON object"):
            await store.put(Reference("push/object"), value)


async def test_who_may_only_read_may_not_write(bao, open_vault, credentials):
    """And is told so."""
    credentials.add("vault", token=bao.root.auth.token.create(policies=["reader"])["auth"]["client_token"])
    with pytest.raises(ForbiddenError, match="push/new: 403"):
        await (await open_vault(TOKEN)).put(Reference("push/new", "v"), b"1")
