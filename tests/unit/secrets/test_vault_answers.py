"""What a server that is no Vault, or means no good, answers: an error of the store, and nothing else."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway_secrets.stores.errors import StoreError, UnavailableError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find
from gateway_secrets.stores.vault import VaultStore
from gateway_secrets.stores.vault_spec import parse_spec

ODD: list[Any] = [[1], "text", 1, True]


class Server:
    """In the place of HTTP: one answer to all."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def call(self, *_: Any, **__: Any) -> Any:
        return self._answer

    async def get(self, _: float) -> str:
        """As what has tokens."""
        return "t"


def store(data: Any) -> VaultStore:
    spec = parse_spec(
        {"server": "https://vault.example.com", "path": "kv", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}},
        where="spec",
    )
    server = cast("Any", Server({"data": data}))
    return VaultStore(spec, server, server, StoreLimits())


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize("member", ["versions", "custom_metadata"])
async def test_odd_metadata(member: str, odd: Any) -> None:
    """Nor is what is no object for a version."""
    with pytest.raises(UnavailableError, match=member):
        await store({"current_version": 1, member: odd}).describe("k", within=5.0)
    with pytest.raises(UnavailableError, match="versions"):
        await store({"current_version": 1, "versions": {"1": odd}}).describe("k", within=5.0)


async def test_metadata_without_members() -> None:
    """Is metadata."""
    found = await store({"current_version": 1, "versions": None}).describe("k", within=5.0)
    assert (found.version, found.created) == ("1", "")


@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_odd_secrets_and_lists(odd: Any) -> None:
    """The same."""
    with pytest.raises(StoreError):
        await store({"data": {"a": "b"}, "metadata": odd}).read("k", "", within=5.0)
    if not isinstance(odd, list):
        with pytest.raises(StoreError):
            await store({"keys": odd}).find(Find("", ".*", {}), within=5.0)
