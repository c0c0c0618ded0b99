"""Constraints as rules of the policy guard: matched before anything is evaluated, their violations made findings.

What Gatekeeper rejects because it cannot tell whether a constraint is about an object, and what it rejects because a
rule failed, is *undecided* here: the guard's ``on_error`` says what that does, and it is never a pass.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.core.errors import MalformedRequestError
from gateway.core.finding import Action, Finding, Severity
from policies.builtin import finding, resource_of
from policies.gatekeeper.compile import Compiled, Policies, compile_constraints
from policies.gatekeeper.constraint import DENY, DRYRUN, WARN, WEBHOOK, Constraint, action_of
from policies.gatekeeper.match import Candidate, Match, MatchError, matches
from policies.gatekeeper.template import Template
from policies.rule import NO, YES, Applies, Asked, Rule, RuleInfo

ACTIONS = {DENY: Action.DENY, WARN: Action.WARN, DRYRUN: Action.AUDIT}
"""What Gatekeeper's actions are here."""
_SEVERITIES = {Action.DENY: Severity.HIGH, Action.WARN: Severity.MEDIUM, Action.AUDIT: Severity.LOW}
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")


def rules_of(policies: Policies, point: str = WEBHOOK) -> tuple[Compiled, list[Rule]]:
    """What to load, and the rules that are in force at an enforcement point.

    A constraint without an action that Gatekeeper knows for that point is not among them: it enforces nothing.

    Raises:
        RegoError: a template does not parse, or refers to what it may not.
    """
    compiled = compile_constraints(policies.templates, policies.constraints)
    rules = []
    for constraint, query in zip(policies.constraints, compiled.queries, strict=False):
        action = ACTIONS.get(action_of(constraint.actions(point)))
        if action is not None:
            template = policies.templates[constraint.kind]
            info = _info(constraint, template, action)
            applies = partial(_applies, constraint, template)
            fixed = constraint.match is None or constraint.match.by_kind_alone
            rules.append(Rule(info, query, applies, partial(_read, info), fixed=fixed, implied=True))
    return compiled, rules


def _info(constraint: Constraint, template: Template, action: Action) -> RuleInfo:
    stated = template.operations
    return RuleInfo(
        id=f"gatekeeper/{constraint.kind}/{constraint.name}",
        title=f"{constraint.kind} {constraint.name}",
        severity=_SEVERITIES[action],
        action=action,
        operations=stated if stated and "*" not in stated else _OPERATIONS,
        kinds=kinds_of(constraint.match),
        inventory=template.inventory,
        source=f"ConstraintTemplate {template.name}",
    )


def kinds_of(match: Match | None) -> tuple[str, ...]:
    """The kinds that a constraint is about, as :func:`policies.builtin.kind_matches` reads them: never fewer."""
    found: list[str] = []
    for one in match.kinds or () if match is not None else ():
        groups = ("*",) if not one.api_groups or "*" in one.api_groups else one.api_groups
        kinds = ("*",) if not one.kinds or "*" in one.kinds else one.kinds
        found += [f"{group}/{kind}" if group else kind for group in groups for kind in kinds]
    if not found or "*/*" in found:
        return ("*",)
    # A core group's wildcard alone would be read as everything.
    return tuple(dict.fromkeys("/*" if kind == "*" else kind for kind in found))


def _applies(constraint: Constraint, template: Template, asked: Asked) -> Applies:
    subject = asked.subject
    if not template.concerns(subject.operation):
        return NO
    try:
        return YES if matches(constraint.match, _candidate(asked)) else NO
    except (MatchError, MalformedRequestError) as error:
        return Applies(yes=False, undecided=str(error))


def _candidate(asked: Asked) -> Candidate:
    """What constraints are matched with, made once for all of them."""
    made: Candidate | None = vars(asked).get("candidate")
    if made is None:
        subject = asked.subject
        new = subject.object or (subject.old_object if subject.operation == "DELETE" else {})
        objects = tuple(one for one in (new, subject.old_object) if one)
        namespace = asked.namespace if subject.object_namespace else None
        made = vars(asked)["candidate"] = Candidate(objects, namespace, asked.source)
    return made


def _read(info: RuleInfo, value: Any, asked: Asked) -> list[Finding]:
    """Findings, in stable order.

    Raises:
        ValueError: the msg of a violation is no string.
    """
    messages = {result["msg"] for result in value}
    if not all(isinstance(message, str) for message in messages):
        raise ValueError("the msg of a violation is not a string")
    about = resource_of(asked)
    return [finding(info, about, "", message) for message in sorted(messages)]
