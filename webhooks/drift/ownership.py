"""Whose object it is, and whether the user acts for the owner."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import get_args

from gateway.config.drift import Drift, Mode, Writer
from gateway.core.schedule import ScheduleError
from gateway.core.subject import Json, Subject
from webhooks.drift.calendar import Calendar, denies
from webhooks.drift.exempt import BUILT_IN_WRITERS, acts, collects
from webhooks.drift.facts import Facts, ObjectKey, Owner, OwnerRef
from webhooks.drift.managed import Entry
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.reconcilers.known import reconcilers
from webhooks.drift.reconcilers.tofu import approvers

_MODES = get_args(Mode)


class Policy:
    """The configuration, prepared once: reconcilers by id, in order, and every writer."""

    def __init__(self, config: Drift) -> None:
        self.config = config
        self.reconcilers = {reconciler.id: reconciler for reconciler in reconcilers(config)}
        self.calendar = Calendar(config.windows)
        everywhere = _strictest(known.mode or config.mode for known in self.reconcilers.values())
        # Without windows and namespaces of their own mode, it is asked for every request and always the same.
        self._always = None if config.windows or config.namespaces else everywhere
        self.writers: tuple[Writer, ...] = (*BUILT_IN_WRITERS, *config.writers, *approvers(config.tofu_controller))
        self.marks = tuple(mark.encode() for known in self.reconcilers.values() for mark in known.marks)
        """Without any of these in its JSON, an object carries no marker of a reconciler."""

    def mode(self, reconciler: Reconciler, subject: Subject, now: datetime) -> Mode:
        """The mode for this reconciler's objects in the request's namespace at this time."""
        return self.ruling(reconciler, subject, None, now)[0]

    def ruling(self, reconciler: Reconciler, subject: Subject, known: Owner | None, now: datetime) -> tuple[Mode, str]:
        """The mode for an owner's objects, and the time by which it is another than usual, for people; or empty.

        A window of the configuration goes before a sync window of the owner's. Where it cannot be told whether the
        owner may sync, the stricter mode of the two holds.
        """
        window = self.calendar.window(reconciler.section, subject, now)
        if window is not None:
            return window.mode, f"window {window.name}"
        usual, settings = self._usual(reconciler, subject), reconciler.sync_windows
        if settings.mode is None or known is None or not known.windows:
            return usual, ""
        try:
            denied = denies(known.windows, now, unless_manual=settings.unless_manual)
        except ScheduleError:
            return min(usual, settings.mode, key=_MODES.index), ""
        return (settings.mode, "no syncs at this time") if denied else (usual, "")

    def strictest(self, subject: Subject, now: datetime) -> Mode:
        """The strictest mode of any reconciler in the request's namespace: what a doubt about the owner amounts to."""
        if self._always is not None:
            return self._always
        return _strictest(self.mode(reconciler, subject, now) for reconciler in self.reconcilers.values())

    def _usual(self, reconciler: Reconciler, subject: Subject) -> Mode:
        namespace = subject.governing_namespace
        for rule in self.config.namespaces:
            if namespace and any(fnmatchcase(namespace, pattern) for pattern in rule.namespaces):
                return rule.mode
        return reconciler.mode or self.config.mode


def _strictest(modes: Iterable[Mode]) -> Mode:
    return min(modes, key=_MODES.index, default="disabled")


def owners_of(subject: Subject, about: Json, listed: list[Entry], facts: Facts, policy: Policy) -> list[OwnerRef]:
    """Who manages the object: by the markers on it; where there are none, by the reconcilers' inventories.

    An inventory survives stripped metadata. It does not go before markers: whoever may write an Application could list
    another owner's object in it, and would then act for it.
    """
    found: list[OwnerRef] = []
    for reconciler in policy.reconcilers.values():
        if reconciler.last_resort and found:
            continue
        if subject.operation == "CREATE":
            owner = reconciler.claim_on_create(about, subject)
        else:
            owner = reconciler.claim(about, subject, listed)
        if owner is not None and owner not in found and not _released(owner, facts, policy):
            found.append(owner)
    if found or subject.operation == "CREATE":
        return found
    return inventoried(subject, facts, policy)


def inventoried(subject: Subject, facts: Facts, policy: Policy) -> list[OwnerRef]:
    """The owners that list the object in their inventories."""
    key = ObjectKey(subject.kind.group, subject.kind.kind, subject.object_namespace, subject.name)
    return [owner for owner in facts.inventory(key) if owner.reconciler in policy.reconcilers]


def actor_of(subject: Subject, owner: OwnerRef, facts: Facts, policy: Policy) -> str:
    """How the user acts for this owner; empty if it does not."""
    reconciler = policy.reconcilers[owner.reconciler]
    if acts(reconciler.actors, subject.user):
        return f"{reconciler.title}'s own controller"
    known = facts.owner(owner)
    accounts = known.accounts if known and known.accounts else reconciler.default_accounts(owner)
    if subject.user.username in accounts:
        return f"service account of {reconciler.title} {owner.namespace}/{owner.name}"
    return ""


def may_do_anything(subject: Subject, owners: list[OwnerRef], facts: Facts, policy: Policy) -> str:
    """Why this user may do this to the object whatever it changes; empty if it may not."""
    for owner in owners:
        acting = actor_of(subject, owner, facts, policy)
        if acting:
            return acting
    if subject.operation == "DELETE":
        return collects(subject)
    return _adopts(subject, owners, facts, policy) if subject.operation == "UPDATE" else ""


def claimants(
    subject: Subject, before: list[Entry], after: list[Entry], owners: list[OwnerRef], policy: Policy
) -> list[tuple[Reconciler, OwnerRef]]:
    """Owners that the new object names besides those it has, unless their reconciler itself writes that.

    An owner's own service account is no reconciler: whoever holds one could otherwise write his owner onto anything.
    """
    found = []
    for reconciler in policy.reconcilers.values():
        heir = reconciler.claim(subject.object, subject, after)
        if heir is None or heir in owners or acts(reconciler.actors, subject.user):
            continue
        if heir != reconciler.claim(subject.old_object, subject, before):
            found.append((reconciler, heir))
    return found


def _adopts(subject: Subject, owners: list[OwnerRef], facts: Facts, policy: Policy) -> str:
    """Another owner takes the object over: the new object names it, and the user acts for it."""
    rule = policy.config.adoption
    if rule == "deny":
        return ""
    for reconciler in policy.reconcilers.values():
        heir = reconciler.claim_on_create(subject.object, subject)
        if heir is None or heir in owners or not actor_of(subject, heir, facts, policy):
            continue
        if rule == "allow" or any(owner.namespace == heir.namespace for owner in owners):
            return f"adopted by {reconciler.title} {heir.namespace}/{heir.name}"
    return ""


def _released(owner: OwnerRef, facts: Facts, policy: Policy) -> bool:
    """Whether the owner is gone, and its objects are to be let go."""
    if policy.config.orphans != "release" or not facts.looks_for(owner.reconciler):
        return False
    return not facts.problem(owner.reconciler) and facts.owner(owner) is None
