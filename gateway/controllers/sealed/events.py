"""The Event that tells people what became of a SealedSecret. Pure; one for each change of its status, no more."""

from __future__ import annotations

from datetime import datetime

from gateway.core.subject import Json
from gateway.kube.events import event, involved_in
from gateway_secrets.sealed.objects import API_VERSION, KIND
from gateway_secrets.sealed.reconcile import Action, Decision

MAX_MESSAGE_CHARACTERS = 512


def event_of(document: Json, decision: Decision, now: datetime) -> Json:
    """A core/v1 Event. Reasons are those of Bitnami's controller, which alerts may be made for."""
    refused = decision.action is Action.REFUSE
    return event(
        involved_in(document, API_VERSION, KIND),
        document["metadata"]["namespace"],
        kind="Warning" if refused else "Normal",
        reason="ErrUnsealFailed" if refused else "Unsealed",
        message=(decision.problem or "the Secret is in sync")[:MAX_MESSAGE_CHARACTERS],
        now=now,
    )
