"""What is done about each violation: by the mode in force, and by what the owner itself says about the object."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.config.drift import Mode
from gateway.core.finding import Action
from gateway.core.subject import Json, Subject
from webhooks.drift import managed
from webhooks.drift.declared import declared
from webhooks.drift.facts import Facts, IgnoreRule, Owner, OwnerRef
from webhooks.drift.intent import rules_for, without
from webhooks.drift.managed import Entry
from webhooks.drift.ownership import Policy
from webhooks.drift.paths import Path
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.violations import Rule, Violation, field_changes

ACTIONS: dict[Mode, Action] = {"enforce": Action.DENY, "warn": Action.WARN, "shadow": Action.AUDIT}

_MARKS = (Rule.TRACKING_METADATA, Rule.MANAGED_FIELDS)


class Case(msgspec.Struct, frozen=True):
    """One request with everything that is looked at.

    ``about`` is the object as it was, or is to be created, with its ``entries``; ``after`` are those of an update's
    new object. ``opened``: its fields that were changed under a grant.
    """

    subject: Subject
    about: Json
    entries: list[Entry]
    after: list[Entry]
    facts: Facts
    policy: Policy
    now: datetime
    opened: tuple[str, ...] = ()


class Drifted(msgspec.Struct, frozen=True):
    """A violation, whose object it concerns, and what is done about it.

    ``excused``: why it is recorded but not enforced (the owner is suspended, ignores the field, …), else empty.
    ``held_back``: it would be denied, if the mode in force were enforce. ``ruled``: the time by which the mode is another
    than usual, else empty.
    """

    violation: Violation
    reconciler: Reconciler
    owner: OwnerRef
    known: Owner | None
    action: Action
    excused: str = ""
    held_back: bool = False
    ruled: str = ""


def strictness(case: Case, owner: OwnerRef, mode: Mode) -> Action:
    """What a violation, or a doubt, does in this mode: an owner that only warns about drift is enforced no harder."""
    return Action.WARN if mode == "enforce" and _lenient(case, owner) else ACTIONS[mode]


def is_held_back(case: Case, owner: OwnerRef, action: Action) -> bool:
    """Whether it is the mode in force, and not the owner itself, that makes no denial of it."""
    return action is not Action.DENY and not _lenient(case, owner)


def _lenient(case: Case, owner: OwnerRef) -> bool:
    known = case.facts.owner(owner)
    return known is not None and known.lenient


def weigh(
    case: Case,
    reconciler: Reconciler,
    owner: OwnerRef,
    violations: Sequence[Violation],
    *,
    action: Action,
    excuse: str,
    ruled: str = "",
) -> list[Drifted]:
    """Each violation with its action.

    ``excuse``: why the owner leaves the whole object alone (:func:`paused`). ``ruled``: the time that made the mode.

    Raises:
        UndecidedError: what the owner ignores is written in a form that cannot be evaluated here.
    """
    if not violations:
        return []
    known = case.facts.owner(owner)
    ignored = set() if excuse or known is None else _ignored(case, reconciler, known, violations)
    held_back = is_held_back(case, owner, action)
    found = []
    for violation in violations:
        kept = reconciler.always_tracked and violation.rule in _MARKS
        excused = ("" if kept else excuse) or ("the owner ignores this field" if violation.path in ignored else "")
        done = Action.AUDIT if excused else action
        found.append(Drifted(violation, reconciler, owner, known, done, excused, held_back and not excused, ruled))
    return found


def paused(case: Case, reconciler: Reconciler, owner: OwnerRef) -> str:
    """Why the reconciler leaves the whole object alone at present; empty if it does not."""
    if case.subject.operation == "CREATE":
        return ""
    known = case.facts.owner(owner)
    if known is not None and known.paused:
        return known.paused
    switched_off = reconciler.switched_off(case.about, case.subject.operation)
    if switched_off is None:
        return ""
    reason, path = switched_off
    if case.policy.config.intent_annotations == "declared":
        own = managed.by(reconciler.managers, case.entries)
        if not any(managed.owns(entry, path) for entry in own):
            return ""
    return reason


def _ignored(case: Case, reconciler: Reconciler, known: Owner, violations: Sequence[Violation]) -> set[Path]:
    """The paths of violations that vanish when both sides are compared without what the owner ignores."""
    paths = {v.path for v in violations if v.rule is Rule.OWNED_FIELD}
    rules = rules_for(known.ignore, case.subject, case.about) if paths else []
    if not rules:
        return set()
    left = _left(case, reconciler, rules)
    # Removing what stands at an index can move a change up, to the element or the list that it was in.
    above = {path[:depth] for path in left for depth in range(len(path) + 1)}
    return {p for p in paths if p not in above and not any(p[:depth] in left for depth in range(len(p)))}


def _left(case: Case, reconciler: Reconciler, rules: list[IgnoreRule]) -> set[Path]:
    """The declared fields that still differ without what the rules ignore."""
    subject = case.subject
    if subject.subresource == "scale":
        bare = without(msgspec.json.encode(case.about), rules, case.entries)
        return {()} if "replicas" in (bare.get("spec") or {}) else set()
    old = without(subject.raw_old_object, rules, case.entries)
    new = without(subject.raw_object, rules, case.entries)
    stated = declared(case.about, case.entries, reconciler)
    shapes = [*case.entries, *case.after]
    left, _ = field_changes(stated, old, new, shapes=shapes, max_depth=case.policy.config.max_depth)
    return {change.path for change in left}
