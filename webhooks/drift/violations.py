"""What a request does that Git does not say: one function per kind of request, each a pure comparison."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from gateway.config.drift import Restart, Writer
from gateway.core.finding import Action, Severity
from gateway.core.known_rule import KnownRule, by_id
from gateway.core.subject import Json, Subject
from webhooks.drift.declared import Declared, declared
from webhooks.drift.equality import MISSING, same
from webhooks.drift.exempt import acts
from webhooks.drift.facts import OwnerRef
from webhooks.drift.fields import Change, adds, changes, taken, value_at
from webhooks.drift.managed import Entry, by, controller_of, reference_path
from webhooks.drift.named import resolve, whole
from webhooks.drift.paths import ANNOTATIONS, LAST_APPLIED, OWNER_REFERENCES, RESTARTED_AT, Path, covered
from webhooks.drift.reconcilers.base import Reconciler

_UNSTATED = "nothing says which of its fields its owner declares: let the reconciler apply it again"
MANAGED_FIELDS: Path = ("f:metadata", "f:managedFields")
REPLICAS: Path = ("f:spec", "f:replicas")


class Rule(StrEnum):
    """The drift rules, by the ids that findings carry."""

    OWNED_FIELD = "drift/owned-field"
    TRACKING_METADATA = "drift/tracking-metadata"
    MANAGED_FIELDS = "drift/managed-fields"
    DELETED = "drift/deleted"
    CLAIMED = "drift/claimed"
    RESTARTED = "drift/restarted"


_UPDATE, _DELETE = ("UPDATE",), ("DELETE",)
RULES = by_id(
    KnownRule(
        Rule.OWNED_FIELD, "Fields that Git declares are changed in Git", Severity.HIGH, Action.DENY, operations=_UPDATE
    ),
    KnownRule(
        Rule.TRACKING_METADATA,
        "The metadata by which a reconciler finds its objects stays",
        Severity.HIGH,
        Action.DENY,
        operations=_UPDATE,
    ),
    KnownRule(
        Rule.MANAGED_FIELDS,
        "The record of what a reconciler owns is written by the reconciler",
        Severity.HIGH,
        Action.DENY,
        operations=_UPDATE,
    ),
    KnownRule(Rule.DELETED, "What Git declares is deleted in Git", Severity.CRITICAL, Action.DENY, operations=_DELETE),
    KnownRule(
        Rule.CLAIMED, "Nobody but its owner makes an object that claims to be managed", Severity.HIGH, Action.DENY
    ),
    KnownRule(
        Rule.RESTARTED, "Managed workloads are restarted by who may", Severity.LOW, Action.DENY, operations=_UPDATE
    ),
)


class Violation(msgspec.Struct, frozen=True):
    """One rule broken at one field; ``path`` is empty where the whole object is concerned."""

    rule: Rule
    path: Path = ()
    old: Any = MISSING
    new: Any = MISSING


def of_create() -> list[Violation]:
    """A new object that claims to be managed, by someone who does not act for the owner it names."""
    return [Violation(Rule.CLAIMED)]


def of_delete() -> list[Violation]:
    """The deletion of a managed object."""
    return [Violation(Rule.DELETED)]


def of_scale(
    subject: Subject, parent: Json, listed: list[Entry], reconciler: Reconciler
) -> tuple[list[Violation], str]:
    """A change of a Scale's replicas, where Git declares the replicas of what is scaled.

    Returns:
        The violations that are certain, and why there may be more (a custom resource may keep its replicas anywhere),
        or an empty text.
    """
    before, after = _replicas(subject.old_object), _replicas(subject.object)
    if same(before, after):
        return [], ""
    stated = declared(parent, listed, reconciler)
    if any("f:replicas" in fields.get("f:spec", {}) for _, fields in stated.sets):
        return [Violation(Rule.OWNED_FIELD, REPLICAS, before, after)], ""
    if not stated.sets:
        return [], _UNSTATED
    elsewhere = value_at(parent, REPLICAS) is MISSING
    return [], "what is scaled keeps its replicas in another field than spec.replicas" if elsewhere else ""


def _replicas(scale: Json) -> Any:
    """Of a Scale; zero is left out on the wire."""
    found = value_at(scale, REPLICAS)
    return 0 if found is MISSING else found


def of_restart(subject: Subject, config: Restart) -> list[Violation]:
    """A rollout restart by someone who may not, where restarts are restricted."""
    if config.people == "allow" or acts(config.actors, subject.user):
        return []
    before, after = value_at(subject.old_object, RESTARTED_AT), value_at(subject.object, RESTARTED_AT)
    return [] if same(before, after) else [Violation(Rule.RESTARTED, RESTARTED_AT, before, after)]


def of_update(
    subject: Subject,
    before: list[Entry],
    after: list[Entry],
    reconciler: Reconciler,
    owner: OwnerRef,
    *,
    max_depth: int,
) -> tuple[list[Violation], str]:
    """What an update changes of the declared set, of tracking metadata and of the reconciler's managedFields.

    Returns:
        The violations that are certain, and why there may be more (the declared set is written in another API
        version, or nowhere), or an empty text.
    """
    old, new = subject.old_object, subject.object
    stated = declared(old, before, reconciler, new)
    found = {v.path: v for v in _tracking(old, new, reconciler.tracking(owner, old), stated)}
    fields, unsure = field_changes(stated, old, new, shapes=[*before, *after], max_depth=max_depth)
    for change in fields:
        found.setdefault(change.path, Violation(Rule.OWNED_FIELD, change.path, change.old, change.new))
    managers = reconciler.managers
    if _rewritten(old, new, by(managers, before), by(managers, after), max_depth):
        found[MANAGED_FIELDS] = Violation(Rule.MANAGED_FIELDS, MANAGED_FIELDS)
    return list(found.values()), unsure


def of_opened(subject: Subject, opened: Iterable[str], found: Iterable[Violation]) -> list[Violation]:
    """What an update changes of fields that were changed under a grant: they are no longer in their owner's record.

    ``found``: what is known already.
    """
    old, new = subject.old_object, subject.object
    judged = {violation.path for violation in found}
    paths = dict.fromkeys(
        path for text in opened for path in (resolve(text, old), resolve(text, new)) if whole(text, path)
    )
    return [
        Violation(Rule.OWNED_FIELD, path, value_at(old, path), value_at(new, path))
        for path in paths
        if path not in judged and not same(value_at(old, path), value_at(new, path))
    ]


def of_claim(old: Json, new: Json, reconciler: Reconciler, heir: OwnerRef) -> Violation:
    """Another owner is written onto an object that has one: whoever acts for that other owner could then do anything."""
    paths = reconciler.tracking(heir, new)
    path = next((p for p in paths if not same(value_at(old, p), value_at(new, p))), MANAGED_FIELDS)
    return Violation(Rule.CLAIMED, path)


def field_changes(
    stated: Declared, old: Json, new: Json, *, shapes: list[Entry], max_depth: int
) -> tuple[list[Change], str]:
    """The declared fields that differ, each once; and why that may not be all, or an empty text.

    ``shapes`` are the entries of all managers before and after.
    """
    owned = [entry.fields for entry in shapes]
    found: dict[Path, Change] = {}
    unsure = "" if stated.sets or same(_content(old), _content(new)) else _UNSTATED
    asked_in = str(new.get("apiVersion", ""))
    for version, fields in stated.sets:
        comparable = fields
        if version != asked_in:
            comparable = {key: below for key, below in fields.items() if key == "f:metadata"}
            if not same(_content(old), _content(new)):
                unsure = f"its fields are declared in {version}, the request is in {asked_in}: use {version}"
        for change in changes(comparable, old, new, shapes=owned, max_depth=max_depth):
            found.setdefault(change.path, change)
    return list(found.values()), unsure


def remaining(violations: Iterable[Violation], writers: list[Writer]) -> list[Violation]:
    """The violations that none of the writers is allowed."""
    patterns = [pattern for writer in writers for pattern in writer.fields]
    return [violation for violation in violations if not covered(patterns, violation.path)]


def _content(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in {"metadata", "status"}}


def _tracking(old: Json, new: Json, paths: Iterable[Path], stated: Declared) -> list[Violation]:
    """Metadata by which the reconciler finds its objects, and its client-side declaration: changed or removed.

    What is recognised by an ownerReference is so no more once something else controls it: that is a change, too.
    """
    watched = [*paths]
    if stated.last_applied is not None:
        watched.append((*ANNOTATIONS, f"f:{LAST_APPLIED}"))
    found = []
    for path in watched:
        before, after = value_at(old, path), value_at(new, path)
        if before is not MISSING and not same(before, after):
            found.append(Violation(Rule.TRACKING_METADATA, path, before, after))
    controller = controller_of(new)
    if controller and any(path[: len(OWNER_REFERENCES)] == OWNER_REFERENCES for path in watched):
        path = reference_path(controller)
        if path not in watched and reference_path(controller_of(old)) != path:
            found.append(Violation(Rule.TRACKING_METADATA, path, value_at(old, path), controller))
    return found


def _rewritten(old: Json, new: Json, before: list[Entry], after: list[Entry], max_depth: int) -> bool:
    """Whether the record of what the reconciler owns is rewritten, by whoever is not the reconciler.

    Its entries lose paths whose values did not change (a path whose value changed is lost rightly, and the change
    itself is what is judged); or somebody writes in its name, which could make Git seem to declare less, or more.
    """
    now = {entry.key: entry.fields for entry in after}
    then = {entry.key: entry.fields for entry in before}
    return any(taken(fields, now.get(key, {}), old, new, depth=max_depth) for key, fields in then.items()) or any(
        adds(then.get(key, {}), fields, depth=max_depth) for key, fields in now.items()
    )
