"""Exemptions that a stretch of the log speaks for: for programs that did the same again and again. A person decides. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.audit.groups import Group

_SERVICE_ACCOUNT = "system:serviceaccount:"
_MIN_REQUESTS = 3
"""As often must a controller have done the same before an exemption is proposed: once may be anybody's accident."""


class Proposal(msgspec.Struct, rename="camel"):
    """An exemption that evidence speaks for: ``config`` goes below the sections that it names. A person decides."""

    why: str
    config: dict[str, Any]


def proposals(groups: Iterable[Group]) -> list[Proposal]:
    """For people there is break-glass."""
    scaling: dict[str, list[Group]] = {}
    writing: dict[str, dict[str, list[Group]]] = {}
    for group in groups:
        if group.guard != "drift" or group.person:
            continue
        if group.subresource == "scale":
            scaling.setdefault(group.user, []).append(group)
        elif group.operation == "UPDATE" and group.field:
            writing.setdefault(group.user, {}).setdefault(group.kind, []).append(group)
    found = [
        _scaler(user, its)
        for user, its in sorted(scaling.items())
        if sum(group.requests for group in its) >= _MIN_REQUESTS
    ]
    for user, kinds in sorted(writing.items()):
        for kind, its in sorted(kinds.items()):
            often = [group for group in its if group.requests >= _MIN_REQUESTS]
            if often:
                found.append(_writer(user, kind, often))
    return found


def _scaler(user: str, groups: list[Group]) -> Proposal:
    """What was scaled may have been looked up in vain: to let it be looked up exempts nobody, and is named first."""
    managed = sum(group.requests for group in groups if not group.reason)
    unknown = sum(group.requests for group in groups if group.reason)
    did = [f"managed workloads {managed} times"] if managed else []
    did += [f"what could not be looked up {unknown} times"] if unknown else []
    reasons = "; ".join(dict.fromkeys(group.reason for group in groups if group.reason))
    else_ = f" (repair this first: {reasons})" if reasons else ""
    return Proposal(
        f"{user} scaled {' and '.join(did)}, as an autoscaler does{else_}",
        {"drift": {"autoscalers": {"users": [user]}}},
    )


def _writer(user: str, kind: str, groups: list[Group]) -> Proposal:
    fields = sorted({group.field for group in groups})
    namespaces = sorted({name for group in groups for name in group.namespaces.names})
    everywhere = any(group.namespaces.more for group in groups) or not all(namespaces)
    name = user.removeprefix(_SERVICE_ACCOUNT).rpartition(":")[2]
    writer: dict[str, Any] = {
        "name": f"{name}-{kind.partition('.')[0].lower()}",
        "actors": {"users": [user]},
        "kinds": [kind],
        "fields": fields,
    }
    if not everywhere:
        writer["namespaces"] = namespaces
    count = sum(group.requests for group in groups)
    return Proposal(
        f"{user} changed {', '.join(fields)} of {kind} {count} times in managed objects",
        {"drift": {"writers": [writer]}},
    )
