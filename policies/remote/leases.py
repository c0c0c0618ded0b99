"""Who uses rules in a server, and until when: what somebody left behind goes with another one's visit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from policies.remote.client import OpaClient
from policies.remote.errors import RefusedError
from policies.remote.push import Caller, World, policy_id
from policies.remote.world import SESSIONS

LEASES = "govgate_leases"
"""The base document that holds them, by the rules' root."""
RENEW_SECONDS = 60.0
_LEASE_SECONDS = 600.0
_LINGER_SECONDS = 120.0
_NOT_FOUND = 404


class _Held(msgspec.Struct):
    until: float = 0.0


class _Policies(msgspec.Struct):
    ids: list[str] = []


class _Lease(msgspec.Struct):
    held: _Held = msgspec.field(default_factory=_Held)
    policies: _Policies = msgspec.field(default_factory=_Policies)
    sessions: dict[str, _Held] = {}


async def take(call: Caller, world: World, timeout_seconds: float) -> None:
    """Say who uses which rules, before they are handed over."""
    policies = {"ids": sorted(world.texts)}
    await call(lambda c: c.update_or_create_data(policies, f"{LEASES}/{world.root}/policies"), timeout_seconds)
    await renew(call, world, timeout_seconds)


async def renew(call: Caller, world: World, timeout_seconds: float) -> None:
    """Hold the rules for some time more."""
    held, below = {"until": time.time() + _LEASE_SECONDS}, f"{LEASES}/{world.root}"
    await call(lambda c: c.update_or_create_data(held, f"{below}/held"), timeout_seconds)
    await call(lambda c: c.update_or_create_data(held, f"{below}/sessions/{world.session}"), timeout_seconds)


async def leave(call: Caller, world: World, timeout_seconds: float) -> None:
    """End the session. Rules that nobody else uses stay for a while: whoever comes soon finds them there."""
    await _drop_session(call, world.root, world.session, timeout_seconds)
    lease = (await _leases(call, timeout_seconds)).get(world.root)
    if lease is not None and all(held.until < time.time() for held in lease.sessions.values()):
        held = {"until": time.time() + _LINGER_SECONDS}
        await call(lambda c: c.update_or_create_data(held, f"{LEASES}/{world.root}/held"), timeout_seconds)


async def sweep(call: Caller, timeout_seconds: float) -> None:
    """Take away rules and sessions that nobody holds any more.

    Raises:
        UndecidedError: the server does not let them go, or cannot be asked.
    """
    for root, lease in (await _leases(call, timeout_seconds)).items():
        if lease.held.until < time.time():
            own = [name for name in lease.policies.ids if name.startswith(policy_id(root, ""))]
            await _take_away(call, root, own, timeout_seconds)
            continue
        for session, held in lease.sessions.items():
            if held.until < time.time():
                await _drop_session(call, root, session, timeout_seconds)


async def _leases(call: Caller, timeout_seconds: float) -> dict[str, _Lease]:
    """All of them, by root; what is none is left out."""
    found = (await call(lambda c: c.query_rule({}, LEASES), timeout_seconds)).get("result")
    leases = {}
    for root, document in found.items() if isinstance(found, dict) else ():
        with contextlib.suppress(msgspec.ValidationError):
            leases[root] = msgspec.convert(document, _Lease)
    return leases


async def _drop_session(call: Caller, root: str, session: str, timeout_seconds: float) -> None:
    await _gone(call, partial(_delete_data, f"{root}/{SESSIONS}/{session}"), timeout_seconds)
    await _gone(call, partial(_delete_data, f"{LEASES}/{root}/sessions/{session}"), timeout_seconds)


async def _take_away(call: Caller, root: str, names: Sequence[str], timeout_seconds: float) -> None:
    """Remove a set of rules, users of functions before those that define them."""
    await _gone(call, partial(_delete_data, root), timeout_seconds)
    left = sorted(names, reverse=True)
    while left:
        kept = [name for name in left if not await _deleted(call, name, timeout_seconds)]
        if len(kept) == len(left):
            raise UndecidedError(f"the OPA server keeps {len(kept)} rules below {root}")
        left = kept
    await _gone(call, partial(_delete_data, f"{LEASES}/{root}"), timeout_seconds)


async def _deleted(call: Caller, name: str, timeout_seconds: float) -> bool:
    try:
        await _gone(call, partial(_delete_policy, name), timeout_seconds)
    except RefusedError:
        return False
    return True


async def _delete_data(path: str, client: OpaClient) -> None:
    await client.delete_data(path)


async def _delete_policy(name: str, client: OpaClient) -> None:
    await client.delete_policy(name)


async def _gone(call: Caller, what: Callable[[OpaClient], Awaitable[Any]], timeout_seconds: float) -> None:
    try:
        await call(what, timeout_seconds)
    except RefusedError as error:
        if error.status != _NOT_FOUND:
            raise
