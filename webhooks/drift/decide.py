"""The drift decision: a pure function of the request, the facts and the configuration.

The order is the policy: what is never judged; whose object it is; who acts; what changed; and then, in
:mod:`webhooks.drift.weigh`, what the owner leaves alone and how strict the mode is.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.finding import Action
from gateway.core.subject import GroupVersionKind, Json, Subject
from webhooks.drift import managed
from webhooks.drift.exempt import acts, allowances, never_judged
from webhooks.drift.facts import Facts, Opened, OwnerRef, nothing_opened
from webhooks.drift.kargo import without_promotions
from webhooks.drift.ownership import Policy, claimants, inventoried, may_do_anything, owners_of
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.violations import (
    Violation,
    of_claim,
    of_create,
    of_delete,
    of_opened,
    of_restart,
    of_scale,
    of_update,
    remaining,
)
from webhooks.drift.weigh import Case, Drifted, is_held_back, paused, strictness, weigh

_STRICTEST = list(Action)


class Decided(msgspec.Struct, frozen=True):
    """The decision. ``reason`` in a few words; ``applicable`` is false for requests that are never judged.

    ``undecided``: why there may be more than ``drifted`` says, or empty; ``doubt`` is what that more would do at worst, and
    ``held_back`` says that it would do worse if the mode in force were enforce.
    ``kind`` is that of the object that was judged: of what is scaled, where the request is about a Scale.
    """

    reason: str
    drifted: tuple[Drifted, ...] = ()
    applicable: bool = True
    undecided: str = ""
    doubt: Action = Action.DENY
    held_back: bool = False
    kind: GroupVersionKind | None = None


def decide(
    subject: Subject,
    facts: Facts,
    policy: Policy,
    *,
    now: datetime,
    parent: Json | None = None,
    opened: Opened = nothing_opened,
) -> Decided:
    """Decide one request.

    Args:
        subject: the request.
        facts: what is cached about owners.
        policy: the configuration.
        now: the present.
        parent: for ``/scale``, the object that is scaled; None where it could not be had.
        opened: tells which fields of an object were changed under a grant, whoever owns them now.

    Raises:
        UndecidedError: the request lacks what a decision needs, or holds what cannot be read.
    """
    skip = never_judged(subject)
    if skip:
        return Decided(skip, applicable=False)
    if policy.strictest(subject, now) == "disabled":
        return Decided("drift is disabled here", applicable=False)
    try:
        return _decide(subject, facts, policy, now=now, parent=parent, opened=opened)
    except RecursionError:
        raise UndecidedError("the object is nested too deeply") from None


def _decide(
    subject: Subject, facts: Facts, policy: Policy, *, now: datetime, parent: Json | None, opened: Opened
) -> Decided:
    if subject.subresource == "scale":
        if acts(policy.config.autoscalers, subject.user):
            return Decided("scaled by an autoscaler")
        subject, about = _scaled(subject, parent)
    else:
        if _unmarked(subject, facts, policy):
            return Decided("not managed")
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
    updates = subject.operation == "UPDATE" and subject.subresource != "scale"
    after = managed.entries(subject.object) if updates else []
    return _judge(Case(subject, about, listed, after, facts, policy, now, opened(subject)), owners)


def _unmarked(subject: Subject, facts: Facts, policy: Policy) -> bool:
    """Whether the bytes alone tell that nobody manages the object: most of a cluster's traffic is never decoded.

    An API server writes plain ASCII as it is; where any of it is escaped, the object is looked at properly.
    """
    raw = subject.raw_object if subject.operation == "CREATE" else subject.raw_old_object
    if not raw or not subject.request_name or any(mark in raw for mark in policy.marks):
        return False
    if b"\\u00" in raw or b"\\/" in raw:
        return False
    return subject.operation == "CREATE" or not inventoried(subject, facts, policy)


def _about(subject: Subject) -> Json:
    name, about = ("object", subject.object) if subject.operation == "CREATE" else ("oldObject", subject.old_object)
    if not about:
        raise UndecidedError(f"the request has no {name}")
    if subject.operation == "UPDATE" and not subject.raw_object:
        raise UndecidedError("the request has no object")
    return about


def _scaled(subject: Subject, parent: Json | None) -> tuple[Subject, Json]:
    """The same request, stated about the object that is scaled: a Scale says nothing of it but its name."""
    if parent is None:
        raise UndecidedError(f"cannot look up what is scaled ({subject.resource.resource} {subject.name})")
    group, _, version = str(parent.get("apiVersion", "")).rpartition("/")
    return subject.about_kind(GroupVersionKind(group, version, str(parent.get("kind", "")))), parent


def _judge(case: Case, owners: list[OwnerRef]) -> Decided:
    writers = allowances(case.policy.writers, case.subject)
    doubts: list[tuple[Action, str]] = []
    held_back = False
    drifted: list[Drifted] = []
    for owner in owners:
        reconciler = case.policy.reconcilers[owner.reconciler]
        mode, ruled = case.policy.ruling(reconciler, case.subject, case.facts.owner(owner), case.now)
        if mode == "disabled":
            continue
        excuse, action = paused(case, reconciler, owner), strictness(case, owner, mode)
        try:
            violations, unsure = _violations(case, reconciler, owner, owners)
            violations = without_promotions(remaining(violations, writers), case.subject, case.policy.config.kargo)
            if violations and not excuse and case.facts.connected and case.facts.problem(owner.reconciler):
                # The user may act for the owner, or the owner may be suspended: neither is known yet.
                raise UndecidedError(case.facts.problem(owner.reconciler))  # noqa: TRY301 - as any other doubt below
            drifted += weigh(case, reconciler, owner, violations, action=action, excuse=excuse, ruled=ruled)
        except UndecidedError as error:
            unsure = str(error)
        if unsure and not excuse:
            doubts.append((action, unsure))
            held_back = held_back or is_held_back(case, owner, action)
    doubt, undecided = min(doubts, key=lambda one: _STRICTEST.index(one[0]), default=(Action.DENY, ""))
    reason = undecided or _reason(drifted, [writer.name for writer in writers])
    return Decided(
        reason, tuple(drifted), undecided=undecided, doubt=doubt, held_back=held_back, kind=case.subject.kind
    )


def _violations(
    case: Case, reconciler: Reconciler, owner: OwnerRef, owners: list[OwnerRef]
) -> tuple[list[Violation], str]:
    subject, config = case.subject, case.policy.config
    if subject.subresource == "scale":
        found, unsure = of_scale(subject, case.about, case.entries, reconciler)
        return found or of_opened(subject, case.opened, found), unsure
    if subject.operation == "CREATE":
        return of_create(), ""
    if subject.operation == "DELETE":
        return of_delete(), ""
    found, unsure = of_update(subject, case.entries, case.after, reconciler, owner, max_depth=config.max_depth)
    found += of_opened(subject, case.opened, found)
    judged = {violation.path for violation in found}
    for other, heir in claimants(subject, case.entries, case.after, owners, case.policy):
        claim = of_claim(case.about, subject.object, other, heir)
        found += [] if claim.path in judged else [claim]
    return found + of_restart(subject, config.restart), unsure


def _reason(drifted: list[Drifted], writers: list[str]) -> str:
    if any(d.action is not Action.AUDIT for d in drifted):
        return "out-of-band change"
    if drifted:
        return drifted[0].excused or "out-of-band change, shadow mode"
    return f"allowed writer ({', '.join(writers)})" if writers else "no declared field changes"
