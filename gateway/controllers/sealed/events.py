"""The Event that tells people what became of a SealedSecret. Pure; one for each change of its status, no more."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from gateway.kube import ResourceType
from gateway_secrets.sealed.objects import API_VERSION, KIND
from gateway_secrets.sealed.reconcile import Action, Decision

EVENTS = ResourceType("", ("v1",), "events")
MAX_MESSAGE_CHARACTERS = 512
_MAX_NAME = 253 - 17
"""A name with room for a dot and sixteen hexadecimal digits."""

Json = dict[str, Any]


def event_of(document: Json, decision: Decision, now: datetime) -> Json:
    """A core/v1 Event. Reasons are those of Bitnami's controller, which alerts may be made for."""
    metadata = document["metadata"]
    refused = decision.action is Action.REFUSE
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
        "type": "Warning" if refused else "Normal",
        "reason": "ErrUnsealFailed" if refused else "Unsealed",
        "message": (decision.problem or "the Secret is in sync")[:MAX_MESSAGE_CHARACTERS],
        "source": {"component": "govgate-controller"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
