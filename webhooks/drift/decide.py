"""The drift decision: a pure function of the request, the facts and the configuration.

The order is the policy: what is never judged; whose object it is; who acts; what changed; what the owner leaves
alone; how strict the mode is.
"""

from __future__ import annotations

import msgspec

from gateway.config.drift import Mode
from gateway.core.errors import UndecidedError
from gateway.core.finding import Action
from gateway.core.subject import GroupVersionKind, Json, Subject
from webhooks.drift import managed
from webhooks.drift.declared import declared
from webhooks.drift.exempt import acts, allowances, never_judged
from webhooks.drift.facts import Facts, Owner, OwnerRef
from webhooks.drift.intent import rules_for, without
from webhooks.drift.managed import Entry
from webhooks.drift.ownership import Policy, may_do_anything, owners_of
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.violations import (
    Rule,
    Violation,
    field_changes,
    of_create,
    of_delete,
    of_restart,
    of_scale,
    of_update,
    remaining,
)

_ACTIONS: dict[Mode, Action] = {"enforce": Action.DENY, "warn": Action.WARN, "shadow": Action.AUDIT}


class Drifted(msgspec.Struct, frozen=True):
    """A violation, whose object it concerns, and what is done about it.

    ``excused``: why it is recorded but not enforced (the owner is suspended, ignores the field, …), else empty.
    """

    violation: Violation
    reconciler: Reconciler
    owner: OwnerRef
    known: Owner | None
    action: Action
    excused: str = ""


class Decided(msgspec.Struct, frozen=True):
    """The decision. ``reason`` in a few words; ``applicable`` is false for requests that are never judged.

    ``undecided``: why there may be more than ``drifted`` says, or empty. ``kind`` is that of the object that was judged:
    of what is scaled, where the request is about a Scale.
    """

    reason: str
    drifted: tuple[Drifted, ...] = ()
    applicable: bool = True
    undecided: str = ""
    kind: GroupVersionKind | None = None


class _Case(msgspec.Struct, frozen=True):
    """One request with everything that is looked at: ``about`` is the object as it was, or is to be created."""

    subject: Subject
    about: Json
    listed: list[Entry]
    facts: Facts
    policy: Policy


def decide(subject: Subject, facts: Facts, policy: Policy, *, parent: Json | None = None) -> Decided:
    """Decide one request.

    Args:
        subject: the request.
        facts: what is cached about owners.
        policy: the configuration.
        parent: for ``/scale``, the object that is scaled; None where it could not be had.

    Raises:
        UndecidedError: the request lacks what a decision needs, or holds what cannot be read.
    """
    skip = never_judged(subject)
    if skip:
        return Decided(skip, applicable=False)
    if subject.subresource == "scale":
        if acts(policy.config.autoscalers, subject.user):
            return Decided("scaled by an autoscaler")
        subject, about = _scaled(subject, parent)
    else:
        about = _about(subject)
    listed = managed.entries(about)
    owners = owners_of(subject, about, listed, facts, policy)
    if not owners:
        return Decided("not managed")
    if subject.operation != "CREATE" and managed.metadata(about).get("deletionTimestamp"):
        return Decided("already terminating")
    allowed = may_do_anything(subject, owners, facts, policy)
    if allowed:
        return Decided(allowed)
    return _judge(_Case(subject, about, listed, facts, policy), owners)


def _about(subject: Subject) -> Json:
    name, about = ("object", subject.object) if subject.operation == "CREATE" else ("oldObject", subject.old_object)
    if not about:
        raise UndecidedError(f"the request has no {name}")
    if subject.operation == "UPDATE" and not subject.object:
        raise UndecidedError("the request has no object")
    return about


def _scaled(subject: Subject, parent: Json | None) -> tuple[Subject, Json]:
    """The same request, stated about the object that is scaled: a Scale says nothing of it but its name."""
    if parent is None:
        raise UndecidedError(f"cannot look up what is scaled ({subject.resource.resource} {subject.name})")
    group, _, version = str(parent.get("apiVersion", "")).rpartition("/")
    return subject.about_kind(GroupVersionKind(group, version, str(parent.get("kind", "")))), parent


def _judge(case: _Case, owners: list[OwnerRef]) -> Decided:
    writers = allowances(case.policy.writers, case.subject)
    undecided = ""
    drifted: list[Drifted] = []
    for owner in owners:
        reconciler = case.policy.reconcilers[owner.reconciler]
        mode = case.policy.mode(reconciler, case.subject)
        if mode == "disabled":
            continue
        violations, unsure = _violations(case, reconciler, owner)
        violations = remaining(violations, writers)
        problem = case.facts.problem(owner.reconciler) if violations and case.facts.connected else ""
        if problem:
            # The user may act for the owner, or the owner may be suspended: neither is known yet.
            raise UndecidedError(problem)
        undecided = undecided or unsure
        drifted += _weigh(case, reconciler, owner, violations, mode)
    return Decided(
        undecided or _reason(drifted, [writer.name for writer in writers]),
        tuple(drifted),
        undecided=undecided,
        kind=case.subject.kind,
    )


def _violations(case: _Case, reconciler: Reconciler, owner: OwnerRef) -> tuple[list[Violation], str]:
    subject, config = case.subject, case.policy.config
    if subject.subresource == "scale":
        return of_scale(subject, case.about, case.listed, reconciler), ""
    if subject.operation == "CREATE":
        return of_create(), ""
    if subject.operation == "DELETE":
        return of_delete(), ""
    found, unsure = of_update(subject, case.listed, reconciler, owner, max_depth=config.max_depth)
    return found + of_restart(subject, config.restart), unsure


def _weigh(
    case: _Case, reconciler: Reconciler, owner: OwnerRef, violations: list[Violation], mode: Mode
) -> list[Drifted]:
    """What is done about each violation, by mode and by the owner's own intent."""
    if not violations:
        return []
    known = case.facts.owner(owner)
    action = _ACTIONS[mode]
    if known is not None and known.lenient and action is Action.DENY:
        action = Action.WARN
    paused = _paused(case, reconciler, known)
    ignored = set() if paused or known is None else _ignored(case, reconciler, known, violations)
    found = []
    for violation in violations:
        excused = paused or ("the owner ignores this field" if violation.path in ignored else "")
        found.append(Drifted(violation, reconciler, owner, known, Action.AUDIT if excused else action, excused))
    return found


def _paused(case: _Case, reconciler: Reconciler, known: Owner | None) -> str:
    """Why the reconciler leaves the whole object alone at present; empty if it does not."""
    if case.subject.operation == "CREATE":
        return ""
    if known is not None and known.paused:
        return known.paused
    switched_off = reconciler.switched_off(case.about, case.subject.operation)
    if switched_off is None:
        return ""
    reason, path = switched_off
    if case.policy.config.intent_annotations == "declared":
        own = managed.by(reconciler.managers, case.listed)
        if not any(managed.owns(entry, path) for entry in own):
            return ""
    return reason


def _ignored(case: _Case, reconciler: Reconciler, known: Owner, violations: list[Violation]) -> set[tuple[str, ...]]:
    """The paths of violations that vanish when both sides are compared without what the owner ignores."""
    subject = case.subject
    paths = {v.path for v in violations if v.rule is Rule.OWNED_FIELD}
    rules = rules_for(known.ignore, subject, case.about) if paths else []
    if not rules:
        return set()
    if subject.subresource == "scale":
        path = violations[0].path
        bare = without(msgspec.json.encode(case.about), rules, case.listed)
        return set() if "replicas" in (bare.get("spec") or {}) else {path}
    old = without(subject.raw_old_object, rules, case.listed)
    new = without(subject.raw_object, rules, case.listed)
    stated = declared(case.about, case.listed, reconciler.managers)
    shapes = [*case.listed, *managed.entries(subject.object)]
    left, _ = field_changes(stated, old, new, shapes=shapes, max_depth=case.policy.config.max_depth)
    return paths - {change.path for change in left}


def _reason(drifted: list[Drifted], writers: list[str]) -> str:
    if any(d.action is not Action.AUDIT for d in drifted):
        return "out-of-band change"
    if drifted:
        return drifted[0].excused or "out-of-band change, shadow mode"
    return f"allowed writer ({', '.join(writers)})" if writers else "no declared field changes"
