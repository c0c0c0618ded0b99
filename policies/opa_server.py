"""OPA as a server: rules are handed to it, and evaluated there.

A set of rules gets a package root of its own (:mod:`policies.remote.world`), named by what it holds: what is in force is
never half of one set and half of another, and whoever hands over the same rules again changes nothing. Each question
proves that the rules are still there; a server that was started anew has none, and is given them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.config.opa import Opa
from gateway.native.inspect import Inspection, inspect_modules
from gateway.native.library import NativeMissingError
from policies.engine import Module
from policies.remote.errors import UnreachableError
from policies.remote.link import Link
from policies.remote.push import World
from policies.remote.rules import RemoteRules

_RETRY_SECONDS = 0.5


class OpaServer:
    """Loads rules into a server. ``patient``: one that is not there yet is waited for, as long as loading may take."""

    def __init__(self, opa: Opa, *, patient: bool = False) -> None:
        self._opa = opa
        self._patient = patient

    async def load(self, modules: Sequence[Module], queries: Sequence[str], data: Mapping[str, Any]) -> RemoteRules:
        """See :class:`policies.engine.Engine`."""
        rules = RemoteRules(Link(self._opa), World.of(modules, queries, data))
        within = self._opa.load_seconds
        try:
            async with asyncio.timeout(within):
                await self._push(rules)
                await rules.start(within)
        except TimeoutError:
            await rules.close()
            raise UnreachableError("deadline", f"the OPA server did not take the rules within {within:g} s") from None
        except BaseException:
            await rules.close()
            raise
        return rules

    async def inspect(self, modules: Sequence[Module]) -> Inspection:
        """See :class:`policies.engine.Engine`; by the native library, and without it by the server."""
        try:
            return inspect_modules([(module.path, module.text) for module in modules])
        except NativeMissingError:
            rules = await self.load(modules, (), {})
        try:
            # The entry, which is ours, comes last.
            return Inspection(tuple(await rules.stated())[:-1], ())
        finally:
            await rules.close()

    async def _push(self, rules: RemoteRules) -> None:
        while True:
            try:
                return await rules.push(self._opa.load_seconds)
            except UnreachableError:
                if not self._patient:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
