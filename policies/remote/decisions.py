"""Decisions of a server as rules: what they are called, what they are about, how their answers are read. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from gateway.config.opa import Decision, Opa
from gateway.core.finding import Finding
from policies.builtin import SUBRESOURCES, finding, kind_matches, read_findings, resource_of
from policies.conftest import read_results
from policies.rule import NO, YES, Applies, Asked, Rule, RuleInfo


def decision_rules(opa: Opa) -> list[Rule]:
    """The rules that the configured decisions are, in their order."""
    return [_rule(opa, decision) for decision in opa.decisions]


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
