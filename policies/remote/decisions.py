"""Decisions asked of a server in place: whoever put the rules there, with bundles or otherwise, goes on to look after them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from gateway.config.opa import Decision, Opa
from gateway.core.errors import GovgateError
from gateway.core.finding import Finding
from policies.builtin import SUBRESOURCES, finding, kind_matches, read_findings, resource_of
from policies.conftest import read_results
from policies.engine import Answer, Failed, Undefined, Value
from policies.remote.client import OpaClient
from policies.remote.documents import checked, input_of
from policies.remote.failures import failed
from policies.remote.link import Link, several
from policies.rule import NO, YES, Applies, Asked, Rule, RuleInfo


def decision_rules(opa: Opa) -> list[Rule]:
    """The rules that the configured decisions are, in their order."""
    return [_rule(opa, decision) for decision in opa.decisions]


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


def _rule(opa: Opa, decision: Decision) -> Rule:
    info = RuleInfo(
        id=f"opa/{decision.name}",
        title=decision.title or f"{decision.name} of the OPA server",
        severity=decision.severity,
        action=decision.action,
        kinds=decision.kinds,
        operations=decision.operations,
        context=decision.needs,
        source=f"{opa.url} {decision.path}",
    )
    applies = partial(_applies, info)
    read = _reader(decision, info)
    return Rule(info, decision.path, applies, read, fixed=True, whole=decision.input == "object")


def _reader(decision: Decision, info: RuleInfo) -> Callable[[Any, Asked], list[Finding]]:
    message = decision.message or info.title
    if decision.result == "allow":
        return partial(_read_allow, info, message=message)
    if decision.result == "review":
        return partial(_read_review, info, message=message)
    return partial(read_findings if decision.result == "findings" else read_results, info)


def _applies(info: RuleInfo, asked: Asked) -> Applies:
    subject = asked.subject
    if subject.operation not in info.operations:
        return NO
    if subject.subresource not in SUBRESOURCES and subject.operation != "CONNECT":
        return NO
    return YES if any(kind_matches(p, subject.kind.group, subject.kind.kind) for p in info.kinds) else NO


def _read_allow(info: RuleInfo, value: Any, asked: Asked, *, message: str) -> list[Finding]:
    """Findings of a document that is true where the request is allowed.

    Raises:
        ValueError: it is neither true nor false.
    """
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004 - the reader's one error
    return [] if value else [finding(info, resource_of(asked), "", message)]


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


class _Response(msgspec.Struct):
    allowed: bool
    status: _Status = msgspec.field(default_factory=_Status)
    patch: Any = None


class _Review(msgspec.Struct):
    response: _Response


def _read_review(info: RuleInfo, value: Any, asked: Asked, *, message: str) -> list[Finding]:
    """Findings of an AdmissionReview with its response, as OPA answers an API server.

    Raises:
        ValueError: it is none, or would change the object.
    """
    response = msgspec.convert(value, _Review).response
    if response.patch is not None:
        raise ValueError("it changes the object, which cannot be done here")
    if response.allowed:
        return []
    said = response.status.message or response.status.reason or message
    return [finding(info, resource_of(asked), "", said)]
