"""Decisions asked of a server in place: whoever put the rules there, with bundles or otherwise, goes on to look after them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from gateway.config.opa import Decision, Opa
from gateway.core.errors import GovgateError
from policies.engine import Answer, Failed, Undefined, Value
from policies.remote.client import OpaClient
from policies.remote.documents import checked, input_of
from policies.remote.failures import failed
from policies.remote.link import Link, several


class DecisionRules:
    """The :class:`policies.engine.Rules` whose queries are decisions, by their positions."""

    def __init__(self, opa: Opa) -> None:
        self._decisions = opa.decisions
        self._link = Link(opa)

    async def ask(
        self, document: bytes, queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[Answer]:
        """See :class:`policies.engine.Rules`: a request for each decision, side by side."""
        if lean:
            raise NotImplementedError  # no decision is asked so
        given = checked(document)
        if isinstance(given, Failed):
            return [given] * len(queries)
        until = time.monotonic() + timeout_seconds
        return list(await asyncio.gather(*(self._one(given, self._decisions[query], until) for query in queries)))

    async def ask_all(
        self, documents: Sequence[bytes], queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[list[Answer]]:
        """See :class:`policies.engine.Rules`."""
        one = partial(self.ask, queries=queries, timeout_seconds=timeout_seconds, lean=lean)
        return await several(one, documents, at_a_time=self._link.opa.concurrency)

    def references(self, query: int) -> None:  # noqa: ARG002 - the protocol's
        """Nobody knows here; the configuration says what a decision needs."""
        return

    async def put_data(self, path: Sequence[str], value: Any) -> None:
        """Nothing: what these rules know is not ours."""

    def overrunning(self) -> int:
        """None: nothing runs in this process."""
        return 0

    @property
    def problem(self) -> str:
        """See :class:`policies.engine.Rules`."""
        return self._link.problem

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    async def _one(self, given: msgspec.Raw, decision: Decision, until: float) -> Answer:
        try:
            what = partial(_decided, decision, input_of(decision, given))
            return await self._link.call(what, until - time.monotonic())
        except GovgateError as error:
            return failed(error)


async def _decided(decision: Decision, given: Any, client: OpaClient) -> Answer:
    answer = await client.query_rule(given, decision.path)
    return Value(answer["result"]) if "result" in answer else Undefined()
