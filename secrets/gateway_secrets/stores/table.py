"""Which store is behind which name in ``spec.provider``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from typing import Any, cast

from gateway_secrets.stores.credentials import Credentials, NoCredentials, Scope
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.manifest import Manifest
from gateway_secrets.stores.model import Store
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.threads import Threads

Open = Callable[[Any, Scope, StoreLimits], Awaitable[Store]]
"""From what is below ``spec.provider.<name>``; makes no request to the store yet."""

PROVIDERS: dict[str, str] = {
    "aws": "gateway_secrets.stores.aws",
    "azurekv": "gateway_secrets.stores.azure",
    "file": "gateway_secrets.stores.file",
    "gcpsm": "gateway_secrets.stores.gcp",
    "kubernetes": "gateway_secrets.stores.kubernetes",
    "vault": "gateway_secrets.stores.vault",
}
"""The module of each, which has an ``open_store``; imported when the first such store is opened."""

EXTRAS: dict[str, str] = {"aws": "aws", "azurekv": "azure", "gcpsm": "gcp"}
"""The extra of the distribution that brings what a module needs."""


async def open_reader(
    manifest: Manifest,
    *,
    credentials: Credentials | None = None,
    namespace: str = "default",
    limits: StoreLimits | None = None,
    threads: Threads | None = None,
    logins: Callable[[str, str], None] = lambda _provider, _outcome: None,
) -> Reader:
    """A reader of the store that ``manifest`` describes, on behalf of ``namespace``. ``threads``: shared with other stores.
    ``logins`` is told what came of each login, by kind of store.

    Raises:
        StoreError: there is no such kind of store, its manifest is wrong, or its credentials cannot be had.
    """
    names = list(manifest.spec.provider)
    if len(names) != 1:
        raise MisconfiguredError(f"{manifest.label}: spec.provider needs exactly one provider, and has {len(names)}")
    if names[0] not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise MisconfiguredError(f"{manifest.label}: provider {names[0]!r} is not known here (known: {known})")
    bounds = limits or StoreLimits()
    told = partial(logins, names[0])
    scope = Scope(manifest, credentials or NoCredentials(), namespace=namespace, threads=threads, logins=told)
    opened = _opener(names[0], manifest.label)
    return Reader(await opened(manifest.spec.provider[names[0]], scope, bounds), bounds)


def _opener(provider: str, label: str) -> Open:
    try:
        return cast("Open", import_module(PROVIDERS[provider]).open_store)
    except ModuleNotFoundError as error:
        if provider not in EXTRAS or (error.name or "").startswith("gateway"):
            raise
        raise MisconfiguredError(
            f"{label}: provider {provider} needs what is not installed: pip install 'govgate[{EXTRAS[provider]}]'"
        ) from None
