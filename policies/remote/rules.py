"""Rules that a server holds, asked about."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from gateway.core.errors import ConfigError, GovgateError, UndecidedError
from gateway.native.inspect import Inspected
from policies.engine import Answer, Failed, RulesError, Undefined, Value
from policies.remote.documents import checked, without_managed_fields
from policies.remote.errors import RefusedError, ServerFaultError, UnreachableError, UnusableAnswerError
from policies.remote.failures import failed
from policies.remote.leases import RENEW_SECONDS, leave, renew, sweep, take
from policies.remote.link import Link, several
from policies.remote.push import World, ask, hand_over
from policies.remote.references import references, stated
from policies.remote.tree import Operation, Tree

CALL_SECONDS = 10.0
"""For what no request waits for."""
_AGAIN_SECONDS = 2.0
_CLOSE_SECONDS = 2.0
_log = logging.getLogger(__name__)


class RemoteRules:
    """Rules that a server holds."""

    def __init__(self, link: Link, world: World) -> None:
        self._link = link
        self._world = world
        self._tree = Tree(world.documents)
        self._references: dict[int, frozenset[str]] = {}
        self._pushing: asyncio.Task[None] | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._changing = asyncio.Lock()
        self._behind = False

    async def ask(
        self, document: bytes, queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[Answer]:
        """See :class:`policies.engine.Rules`: in one request, unless a rule fails."""
        given = _given(document, lean=lean)
        if isinstance(given, Failed):
            return [given] * len(queries)
        until = time.monotonic() + timeout_seconds
        try:
            return await self._answers(given, queries, until)
        except (RefusedError, UnusableAnswerError) as error:
            if len(queries) == 1:
                return [failed(error, self._world)]
        except GovgateError as error:
            return [failed(error, self._world)] * len(queries)
        # One of the rules fails: the others are asked by themselves.
        alone = (self._alone(given, query, until) for query in queries)
        return list(await asyncio.gather(*alone))

    async def ask_all(
        self, documents: Sequence[bytes], queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[list[Answer]]:
        """See :class:`policies.engine.Rules`: as many at a time as the server is asked."""
        one = partial(self.ask, queries=queries, timeout_seconds=timeout_seconds, lean=lean)
        return await several(one, documents, at_a_time=self._link.opa.concurrency)

    async def put_data(self, path: Sequence[str], value: Any) -> None:
        """See :class:`policies.engine.Rules`."""
        async with self._changing:
            changes = self._tree.put(self._world.place(path), value)
            try:
                await self._patch(changes)
            except (RulesError, ConfigError) as error:
                raise UndecidedError(f"the rules' data could not be replaced: {error}") from None

    def references(self, query: int) -> frozenset[str] | None:
        """See :class:`policies.engine.Rules`."""
        return self._references.get(query)

    def overrunning(self) -> int:
        """None: nothing runs in this process."""
        return 0

    @property
    def problem(self) -> str:
        """See :class:`policies.engine.Rules`."""
        return self._link.problem

    async def push(self, timeout_seconds: float) -> None:
        """Hand the rules over, with the data as it is now.

        Raises:
            RulesError: the server does not take them.
            UndecidedError: it cannot be reached.
        """
        async with self._changing:
            await self._hand_over(timeout_seconds)

    async def _patch(self, changes: list[Operation]) -> None:
        """Change what the server holds; what it may not have heard of before is said again with it."""
        if not changes and not self._behind:
            return
        if not self._behind:
            self._behind = True
            # Refused: the server holds something else than it was given, since it was started anew.
            with contextlib.suppress(RefusedError):
                await self._link.call(lambda c: c.patch_data(self._world.root, changes), CALL_SECONDS)
                self._behind = False
        if self._behind:
            await self._hand_over(self._link.opa.load_seconds)

    async def _hand_over(self, timeout_seconds: float) -> None:
        self._behind = True
        await take(self._link.call, self._world, timeout_seconds)
        await hand_over(self._link.call, self._world, self._tree.documents, timeout_seconds)
        self._behind = False

    async def start(self, timeout_seconds: float) -> None:
        """See what the rules refer to, and hold them from now on.

        Raises:
            UndecidedError: the server cannot be asked.
        """
        # Syntax that holds a number no float is cannot be read: then nobody knows what the rules refer to.
        with contextlib.suppress(UnusableAnswerError):
            syntax = await self._syntax(timeout_seconds)
            self._references = await asyncio.to_thread(references, list(syntax.values()), self._world.root)
        self._upkeep = asyncio.create_task(self._hold(), name="rules in OPA")

    async def stated(self) -> list[Inspected]:
        """What each module states, as the server has read it.

        Raises:
            UndecidedError: it cannot be asked.
        """
        found = await self._syntax(self._link.opa.load_seconds)
        modules = {name: stated(syntax, self._world.root) for name, syntax in found.items()}
        return [
            Inspected(self._world.modules[name].path, package, 1, rules) for name, (package, rules) in modules.items()
        ]

    async def _syntax(self, timeout_seconds: float) -> dict[str, Any]:
        names = list(self._world.texts)
        found = await asyncio.gather(*(self._link.call(partial(_syntax, name), timeout_seconds) for name in names))
        return dict(zip(names, found, strict=True))

    async def close(self) -> None:
        """Let go of the rules; the server is told, if it can be."""
        tasks = [task for task in (self._upkeep, self._pushing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(GovgateError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await leave(self._link.call, self._world, _CLOSE_SECONDS)
        await self._link.close()

    async def _answers(self, given: msgspec.Raw, queries: Sequence[int], until: float) -> list[Answer]:
        question = partial(ask, world=self._world, queries=queries, document=given)
        found = await self._link.call(question, until - time.monotonic())
        if found is None:
            await self._again(until)
            found = await self._link.call(question, until - time.monotonic())
        if found is None:
            raise UndecidedError("the OPA server does not have the rules")
        return [_value(found, str(query)) for query in queries]

    async def _alone(self, given: msgspec.Raw, query: int, until: float) -> Answer:
        try:
            [answer] = await self._answers(given, (query,), until)
        except GovgateError as error:
            return failed(error, self._world)
        return answer

    async def _again(self, until: float) -> None:
        """Hand the rules over again, once for all who wait for it, and for as long as they may."""
        if self._pushing is None or (self._pushing.done() and time.monotonic() >= self._not_before):
            _log.warning("the OPA server has lost the rules; it is given them again")
            self._pushing = asyncio.create_task(self.push(self._link.opa.load_seconds))
            self._pushing.add_done_callback(self._pushed)
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await asyncio.shield(self._pushing)
        except TimeoutError:
            raise UnreachableError("not_loaded", "the OPA server is still being given the rules") from None

    def _pushed(self, task: asyncio.Task[None]) -> None:
        """Where it failed, whoever asks next is told so for a while, and then it is tried again."""
        failed = not task.cancelled() and task.exception() is not None
        self._not_before = time.monotonic() + (_AGAIN_SECONDS if failed else 0.0)

    async def _hold(self) -> None:
        """Take away what was left behind; hold what is ours."""
        while True:
            try:
                await sweep(self._link.call, CALL_SECONDS)
                await asyncio.sleep(RENEW_SECONDS)
                await renew(self._link.call, self._world, CALL_SECONDS)
            except GovgateError as error:
                _log.warning("rules in OPA not held", extra={"fields": {"problem": str(error)}})
                await asyncio.sleep(RENEW_SECONDS)


def _given(document: bytes, *, lean: bool) -> msgspec.Raw | Failed:
    given = checked(document)
    return without_managed_fields(given) if lean and not isinstance(given, Failed) else given


async def _syntax(name: str, client: Any) -> Any:
    """A module as the server has compiled it."""
    match await client.get_policy(name):
        case {"result": {"ast": {"package": _} as syntax}}:
            return syntax
    raise ServerFaultError("its answer is none to what it was asked")


def _value(found: Mapping[str, Any], query: str) -> Answer:
    return Value(found[query]) if query in found else Undefined()
