"""What a ``VaultDynamicSecret`` says, and what a lease is: without a client of Vault, which takes long to import."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import typed
from gateway_secrets.stores.vault_spec import parse_spec, quoted

Sort = Literal["lease", "token"]


class DynamicSpec(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``spec``. ``provider`` is ``spec.provider.vault`` of a store. Retries are ours: ``retrySettings`` is not used."""

    path: str
    provider: dict[str, Any]
    method: str = "GET"
    parameters: dict[str, Any] = {}
    get_parameters: dict[str, tuple[str, ...]] = {}
    result_type: Literal["Data", "Auth", "Raw"] = "Data"
    allow_empty_response: bool = False
    controller: str = ""
    retry_settings: dict[str, Any] | None = None


class Lease(msgspec.Struct, frozen=True):
    """What a secret that was made may be used for: until ``ends`` (seconds since the epoch), ``seconds`` in all.

    ``sort``: whether ``id`` is a lease's, or the accessor of a token. ``until``: when the token ends that it was asked for
    with, if nobody renews that, and the lease with it; None: never. ``parent``: that token's accessor, as far as it matters
    and is known.
    """

    id: str
    ends: float
    seconds: float
    renewable: bool = False
    sort: Sort = "lease"
    until: float | None = None
    parent: str = ""

    def due(self, part: float) -> float:
        """When ``part`` of its life is over, in seconds since the epoch: the time to renew or replace it."""
        return self.ends - self.seconds * (1.0 - part)


def dynamic_spec(document: Any, *, where: str) -> DynamicSpec:
    """``spec`` of a VaultDynamicSecret, checked.

    Raises:
        MisconfiguredError: it is wrong; names ``where`` and the field.
    """
    spec = typed(document, DynamicSpec, where=where)
    parse_spec(spec.provider, where=f"{where}.provider")
    try:
        path_of(spec)
    except MisconfiguredError as error:
        raise MisconfiguredError(f"{where}.path: {error}") from None
    return spec


def path_of(spec: DynamicSpec) -> str:
    return quoted([spec.path.strip("/").removeprefix("v1/")], spec.path)
