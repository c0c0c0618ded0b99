"""Rules in govgate's own form: a package with METADATA, and findings with the field they are about.

``findings`` is a set of ``{"message", "field", "remedy"?, "fix"?}``. The input is ``input.review``, an AdmissionRequest
whose objects have no managed fields (in a file they have none either), and ``input.parameters``. A fix is
``{"op": "set", "value", "path"?}`` or ``{"op": "remove", "path"?}``; without a path it is about the finding's field.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from gateway.core.finding import Action, Finding, Fix, Resource, finding_id
from policies.engine import Module
from policies.metadata import package_of, rule_info
from policies.rule import NO, YES, Applies, Asked, Rule, RuleInfo

GUARD = "policy"

SUBRESOURCES = frozenset(("", "ephemeralcontainers", "resize"))
"""Those whose object is the whole object, with a specification that the request may change."""


class _Found(msgspec.Struct):
    message: str
    field: str = ""
    remedy: str = ""
    fix: Fix | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.fix is not msgspec.UNSET and not (self.fix.path or self.field):
            raise ValueError("a fix is about no field")


_read_found = partial(msgspec.convert, type=list[_Found])


def rule_of(module: Module) -> Rule | None:
    """The rule that the module states, None if it states none. Its parameters lie below ``data.govgate.parameters``.

    Raises:
        RulesError: its METADATA is wrong.
    """
    info = rule_info(module)
    if info is None:
        return None
    query = f"data.{package_of(module)}.findings"
    if info.parameters:
        query += f' with input.parameters as data.govgate.parameters["{info.id}"]'
    return Rule(info, query, partial(_applies, info), partial(read_findings, info), fixed=True, lean=True)


def read_findings(info: RuleInfo, value: Any, asked: Asked) -> list[Finding]:
    """Findings of what the rule returned, in stable order.

    Raises:
        ValueError: it is not a set of findings.
    """
    found: list[_Found] = _read_found(value)
    about = resource_of(asked)
    return [finding(info, about, one.field, one.message, one.remedy, fix=one.fix) for one in sorted(found, key=_order)]


def finding(
    info: RuleInfo,
    about: Resource,
    field: str,
    message: str,
    remedy: str = "",
    *,
    fix: Fix | msgspec.UnsetType = msgspec.UNSET,
) -> Finding:
    """A finding of the policy guard, with the rule's own action."""
    return Finding(
        id=finding_id(info.id, about, field),
        rule=info.id,
        severity=info.severity,
        action=Action(info.action),
        guard=GUARD,
        resource=about,
        field=field,
        message=message,
        remedy=remedy,
        fix=fix,
    )


def resource_of(asked: Asked) -> Resource:
    """What the request is about."""
    subject = asked.subject
    return Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)


def kind_matches(pattern: str, group: str, kind: str) -> bool:
    """Whether ``group/Kind`` (the core group without one), ``group/*``, ``*/Kind`` or ``*`` names this kind."""
    if pattern == "*":
        return True
    wanted_group, _, wanted_kind = pattern.rpartition("/")
    return wanted_group in ("*", group) and wanted_kind in ("*", kind)


def _applies(info: RuleInfo, asked: Asked) -> Applies:
    subject = asked.subject
    if subject.operation not in info.operations or subject.subresource not in SUBRESOURCES:
        return NO
    return YES if any(kind_matches(p, subject.kind.group, subject.kind.kind) for p in info.kinds) else NO


def _order(one: _Found) -> tuple[str, str]:
    return one.field, one.message
