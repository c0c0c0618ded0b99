"""core/v1 Events: what people are told about an object. Pure, but for a name that nothing else has.

Source: ``k8s.io/api/core/v1`` Event.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Literal

from gateway.core.subject import Json
from gateway.kube.resource import ResourceType

EVENTS = ResourceType("", ("v1",), "events")
_MAX_NAME = 253 - 17
"""A name with room for a dot and sixteen hexadecimal digits."""
_INVOLVED = ("name", "namespace", "uid", "resourceVersion")


def event(
    involved: Json,
    namespace: str,
    *,
    kind: Literal["Normal", "Warning"],
    reason: str,
    message: str,
    now: datetime,
    component: str = "govgate-controller",
) -> Json:
    """An Event in ``namespace``. ``involved``: the reference to the object that it is about, with its ``name``."""
    stamp = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    name = involved["name"][:_MAX_NAME].rstrip(".-")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{os.urandom(8).hex()}", "namespace": namespace},
        "involvedObject": involved,
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def involved_in(document: Json, api_version: str, kind: str) -> Json:
    """The reference to an object."""
    metadata = document["metadata"]
    return {"apiVersion": api_version, "kind": kind, **{key: metadata.get(key, "") for key in _INVOLVED}}
