"""Which answers of Vault say that a lease is no more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    StoreError,
    UnreadyError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.vault_dynamic import VaultDynamic
from gateway_secrets.stores.vault_dynamic_spec import Lease, dynamic_spec

LEASE = Lease("database/creds/x/1", 1e12, 600.0, renewable=True)
GONE = [
    MisconfiguredError("renewing: 400 lease not found"),
    MisconfiguredError("renewing: 400 lease expired"),
    MisconfiguredError("renewing: 400 1 error occurred: * invalid accessor"),
    ForbiddenError("renewing: 403 invalid accessor"),
]
OTHERS = [
    UnreadyError("renewing: TLS with https://vault.example.com: certificate has expired"),
    UnreadyError("renewing: login: 400 token is expired"),
    UnreadyError("renewing: login: 400 invalid lease"),
    RejectedError("renewing: 403 lease not found"),
    MisconfiguredError("renewing: 404 lease not found"),
    MisconfiguredError("renewing: the certificate of lease not found is expired"),
    MisconfiguredError("renewing: 400 the certificate has expired"),
    ForbiddenError("renewing: 403 permission denied"),
]


class Refusing:
    """In the place of a store: answers everything with one error."""

    def __init__(self, error: StoreError) -> None:
        self._error = error

    async def ask(self, *_: Any) -> Any:
        raise self._error


def generator(error: StoreError) -> VaultDynamic:
    provider = {"server": "https://vault.example.com", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}
    spec = dynamic_spec({"path": "database/creds/x", "provider": provider}, where="spec")
    return VaultDynamic(spec, cast("Any", Refusing(error)), StoreLimits())


@pytest.mark.parametrize("error", GONE, ids=str)
async def test_what_vault_says_is_gone(error: StoreError) -> None:
    """There is nothing to renew, and nothing left to revoke."""
    with pytest.raises(NotFoundError):
        await generator(error).renew(LEASE)
    await generator(error).revoke(LEASE)


@pytest.mark.parametrize("error", OTHERS, ids=str)
async def test_other_troubles_say_nothing_of_a_lease(error: StoreError) -> None:
    """Of certificates, logins and rights: the lease may be in use."""
    with pytest.raises(type(error)):
        await generator(error).renew(LEASE)
    with pytest.raises(type(error)):
        await generator(error).revoke(LEASE)
