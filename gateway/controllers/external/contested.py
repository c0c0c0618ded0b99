"""What an ExternalSecret is told that another controller works on as well: who, and what becomes of that. Pure."""

from __future__ import annotations

from datetime import datetime

from gateway.controllers.contests import MAX_HEAL_SECONDS
from gateway.controllers.external.held import Json
from gateway.kube.events import event, involved_in
from gateway_secrets.external.spec import API_VERSION, KIND

REASON = "Contested"


def contest_of(document: Json, writer: str, now: datetime) -> Json:
    """A core/v1 Event. ``writer``: the field manager that wrote the status after govgate did."""
    message = (
        f"{writer} writes the status of this ExternalSecret, too: what it says, and what its Secret holds, may be of either. "
        f"Govgate waits up to {MAX_HEAL_SECONDS / 60:g} minutes each time before it works on it. It is govgate's, by the "
        "spec.controller of its stores or since its namespace was handed over: take it from the other controller, or from govgate"
    )
    namespace = document["metadata"]["namespace"]
    about = involved_in(document, API_VERSION, KIND)
    return event(about, namespace, kind="Warning", reason=REASON, message=message, now=now)
