"""The Event that tells people what became of an ExternalSecret. Pure; one for each turn of its condition, and for what was given up."""

from __future__ import annotations

from datetime import datetime

from gateway.core.subject import Json
from gateway.kube.events import event, involved_in
from gateway_secrets.external.spec import API_VERSION, KIND, ExternalSecret
from gateway_secrets.external.target import Action, Decision, Reason

MAX_MESSAGE_CHARACTERS = 1_000
_REASONS = {Action.CREATE: "Created", Action.UPDATE: "Updated", Action.DELETE: "Deleted"}


def event_of(document: Json, decision: Decision, now: datetime) -> Json:
    """A core/v1 Event. Reasons are those of ESO, which alerts may be made for."""
    failed = decision.reason is Reason.ERROR
    return event(
        involved_in(document, API_VERSION, KIND),
        document["metadata"]["namespace"],
        kind="Warning" if failed else "Normal",
        reason="UpdateFailed" if failed else _REASONS.get(decision.action, decision.reason.value),
        message=decision.message[:MAX_MESSAGE_CHARACTERS],
        now=now,
    )


def notice_of(external: ExternalSecret, reason: str, message: str, now: datetime) -> Json:
    """A warning of something that happened to an ExternalSecret, whatever its condition is."""
    about = {"name": external.name, "namespace": external.namespace, "uid": external.uid}
    return event(
        involved_in({"metadata": about}, API_VERSION, KIND),
        external.namespace,
        kind="Warning",
        reason=reason,
        message=message[:MAX_MESSAGE_CHARACTERS],
        now=now,
    )


def worth_telling(before: Json, after: Json, decision: Decision) -> bool:
    """Whether there is an event: the Secret was written, or the condition is another than it was."""
    return decision.action in _REASONS or turned(before, after)


def turned(before: Json, after: Json) -> bool:
    """Whether a condition says something else than it did."""
    return any(before.get(name) != after.get(name) for name in ("status", "reason", "message"))
