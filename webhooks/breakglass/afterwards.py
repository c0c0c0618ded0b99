"""What was changed under a grant and is not in Git yet. Pure: told from the object as it is now.

Git agrees with a field once the reconciler has it in its own record again (it applied it, whichever value), once its
``last-applied-configuration`` has the value that is there, or once the value is the one from before all uses. Whether a value that
only lies in Git will come is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from gateway.core.finding import Action, Finding, Resource, finding_id
from gateway.core.subject import GroupVersionKind, Json
from webhooks.breakglass.known import NOT_IN_GIT, RULES
from webhooks.breakglass.opened import Open
from webhooks.drift import managed
from webhooks.drift.equality import same
from webhooks.drift.fields import value_at
from webhooks.drift.named import resolve, value_digest, whole
from webhooks.drift.paths import LAST_APPLIED

GUARD = "break-glass"


def outstanding(changes: Sequence[Open], live: Json | None, managers: Collection[str]) -> list[Open]:
    """Those that Git does not agree with.

    Args:
        changes: what was changed of one object.
        live: the object with its managedFields; None if there is none.
        managers: the field managers of all reconcilers.

    Raises:
        UndecidedError: managedFields is not what an API server writes.
    """
    return [one for one in changes if not _agreed(one, live, managers)]


def not_in_git(changes: Sequence[Open], action: Action = Action.WARN) -> list[Finding]:
    """The findings that say so."""
    return [_finding(one, action) for one in changes]


def _agreed(one: Open, live: Json | None, managers: Collection[str]) -> bool:
    field = one.changed.field
    if live is None:
        return "DELETE" not in one.operations
    if one.operations == {"DELETE"}:
        return True
    own = managed.by(managers, managed.entries(live))
    return _field_agreed(one, field, live, own) if field and one.use.operation == "UPDATE" else bool(own)


def _field_agreed(one: Open, field: str, live: Json, own: list[managed.Entry]) -> bool:
    path, stated = resolve(field, live), _last_applied(live)
    if one.before and value_digest(_kind(one), field, live) == one.before:
        return True
    if not whole(field, path):
        # The element is not there: only the reconciler's own declaration could say that this is right.
        return stated is not None and not whole(field, resolve(field, stated))
    if any(managed.owns(entry, path) for entry in own):
        return True
    return stated is not None and same(value_at(stated, path), value_at(live, path))


def _last_applied(live: Json) -> Json | None:
    text = managed.string_map(live, "annotations").get(LAST_APPLIED)
    try:
        found = msgspec.json.decode(text) if isinstance(text, str) else None
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None


def _kind(one: Open) -> GroupVersionKind:
    group, _, version = one.use.object.api_version.rpartition("/")
    return GroupVersionKind(group, version, one.use.object.kind)


def _finding(one: Open, action: Action) -> Finding:
    about, use, field = one.use.object, one.use, one.changed.field
    resource = Resource(about.api_version, about.kind, about.namespace, about.name)
    stated = one.grant.status.acknowledged
    known = f"; {stated.by} took note of it: {stated.reason}" if stated is not None else ""
    what = f"{field} was changed" if field else "it was deleted" if use.operation == "DELETE" else "it was changed"
    return Finding(
        id=finding_id(NOT_IN_GIT, resource, field),
        rule=NOT_IN_GIT,
        severity=RULES[NOT_IN_GIT].severity,
        action=action,
        guard=GUARD,
        resource=resource,
        field=field,
        message=(
            f"{what} by {use.user} at {use.time:%Y-%m-%d %H:%M}Z under {one.grant.id} ({one.grant.spec.ticket}), "
            f"and is not in Git yet{known}"
        ),
        remedy="Put the change into Git, or let the reconciler put back what Git says.",
    )
