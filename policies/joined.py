"""Rules of two engines, asked as if they were one's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from policies.engine import Answer, Rules


class JoinedRules:
    """The :class:`policies.engine.Rules` of both. The queries of ``second`` are those from position ``at`` on."""

    def __init__(self, first: Rules, second: Rules, at: int) -> None:
        self._first = first
        self._second = second
        self._at = at

    async def ask(
        self, document: bytes, queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[Answer]:
        """See :class:`policies.engine.Rules`: both at the same time."""
        [answers] = await self.ask_all((document,), queries, timeout_seconds=timeout_seconds, lean=lean)
        return answers

    async def ask_all(
        self, documents: Sequence[bytes], queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[list[Answer]]:
        """See :class:`policies.engine.Rules`."""
        first = [query for query in queries if query < self._at]
        second = [query for query in queries if query >= self._at]
        shifted = [query - self._at for query in second]
        parts = ((self._first, first), (self._second, shifted))
        rows = await asyncio.gather(
            *(_asked(rules, documents, part, timeout_seconds, lean=lean) for rules, part in parts)
        )
        joined = [dict(zip((*first, *second), (*a, *b), strict=True)) for a, b in zip(*rows, strict=True)]
        return [[answers[query] for query in queries] for answers in joined]

    def references(self, query: int) -> frozenset[str] | None:
        """See :class:`policies.engine.Rules`."""
        return self._first.references(query) if query < self._at else self._second.references(query - self._at)

    async def put_data(self, path: Sequence[str], value: Any) -> None:
        """See :class:`policies.engine.Rules`."""
        await self._first.put_data(path, value)
        await self._second.put_data(path, value)

    def overrunning(self) -> int:
        """See :class:`policies.engine.Rules`: evaluations are counted by process."""
        return max(self._first.overrunning(), self._second.overrunning())

    @property
    def problem(self) -> str:
        """See :class:`policies.engine.Rules`."""
        return "; ".join(filter(None, (self._first.problem, self._second.problem)))

    async def close(self) -> None:
        """Let go of both."""
        await self._first.close()
        await self._second.close()


async def _asked(
    rules: Rules, documents: Sequence[bytes], queries: Sequence[int], timeout_seconds: float, *, lean: bool
) -> list[list[Answer]]:
    if not queries:
        return [[] for _ in documents]
    if len(documents) == 1:
        return [await rules.ask(documents[0], queries, timeout_seconds=timeout_seconds, lean=lean)]
    return await rules.ask_all(documents, queries, timeout_seconds=timeout_seconds, lean=lean)
