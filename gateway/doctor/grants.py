"""Break-glass grants that were written past the webhook, and whether that can be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from gateway.core.finding import Resource
from gateway.core.subject import Json
from gateway.doctor.registrations import resource_of
from gateway.doctor.rules import Result, found
from gateway.doctor.wanted import groups_of
from webhooks.breakglass.grant import API_VERSION, KIND, Grant
from webhooks.breakglass.noted import noted

_KINDS = {"drift": "BreakGlass", "policy": "PolicyWaiver, ClusterPolicyWaiver", "provenance": "TrustPolicy"}
"""What the guards of a group believe, and protect."""


def check_grants(grants: Iterable[Grant], notes: Mapping[str, str], now: datetime) -> list[Result]:
    """Those that would hold, and whose approval no gateway saw. ``notes``: of those that were seen."""
    return [
        found(
            "grant-unseen",
            Resource(API_VERSION, KIND, "", grant.name),
            f"approved in the name of {grant.status.approval.approver}, and no gateway saw that being written",
            field="status.approval",
        )
        for grant in grants
        if grant.status.approval is not None and grant.state(now) in {"active", "used-up"} and not noted(grant, notes)
    ]


def check_own_kinds(name: str, there: Json) -> list[Result]:
    """Whether what govgate itself believes can be written while it does not answer."""
    results: list[Result] = []
    for webhook in there.get("webhooks") or ():
        kinds = [_KINDS[group] for group in groups_of(webhook) if group in _KINDS]
        if webhook.get("failurePolicy") == "Ignore" and kinds:
            text = (
                f"with failurePolicy Ignore {', '.join(kinds)} can be written by everybody whom RBAC lets, while govgate "
                "does not answer. Approvals of grants that it did not see hold for nobody"
            )
            field = f"webhooks[name={webhook.get('name')}].failurePolicy"
            results.append(found("own-kinds-unguarded", resource_of(name), text, field=field))
    return results
