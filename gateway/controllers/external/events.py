"""The Event that tells people what became of an ExternalSecret. Pure; one for each turn of its condition, no more."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from gateway_secrets.external.spec import API_VERSION, KIND
from gateway_secrets.external.target import Action, Decision, Reason

MAX_MESSAGE_CHARACTERS = 1_000
_MAX_NAME = 253 - 17
_REASONS = {Action.CREATE: "Created", Action.UPDATE: "Updated", Action.DELETE: "Deleted"}

Json = dict[str, Any]


def event_of(document: Json, decision: Decision, now: datetime) -> Json:
    """A core/v1 Event. Reasons are those of ESO, which alerts may be made for."""
    metadata = document["metadata"]
    failed = decision.reason is Reason.ERROR
    stamp = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    involved = {key: metadata.get(key, "") for key in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:_MAX_NAME]}.{os.urandom(8).hex()}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {"apiVersion": API_VERSION, "kind": KIND, **involved},
        "type": "Warning" if failed else "Normal",
        "reason": "UpdateFailed" if failed else _REASONS.get(decision.action, decision.reason.value),
        "message": decision.message[:MAX_MESSAGE_CHARACTERS],
        "source": {"component": "govgate-controller"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def worth_telling(before: Json, after: Json, decision: Decision) -> bool:
    """Whether there is an event: the Secret was written, or the condition is another than it was."""
    if decision.action in _REASONS:
        return True
    return any(before.get(name) != after.get(name) for name in ("status", "reason", "message"))
