"""Records as events of the Open Cybersecurity Schema Framework, version 1.3.0. Pure.

A decision is an API Activity (class 6003): somebody asked the Kubernetes API for something, and a control allowed or
denied it (profile ``security_control``). A record about the log itself is an API Activity of govgate's own.
Source: ocsf-schema, ``events/application/api_activity.json``, ``objects/api.json``, ``profiles/security_control.json``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway import __version__
from gateway.audit.rows import Record

SCHEMA_VERSION = "1.3.0"
_CATEGORY, _CLASS = 6, 6003
_ACTIVITIES = {"CREATE": (1, "Create"), "UPDATE": (3, "Update"), "DELETE": (4, "Delete")}
_OTHER = (99, "Other")
_SEVERITIES = {"info": (1, "Informational"), "low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}  # fmt: skip
_ALLOWED, _DENIED = (1, "Allowed"), (2, "Denied")
_DISPOSITIONS = {"allow": (1, "Allowed"), "deny": (2, "Blocked"), "undecided": (2, "Blocked")}
_SUCCESS, _FAILURE = (1, "Success"), (2, "Failure")


def ocsf_event(record: Record, digest: str, log_id: str) -> dict[str, Any]:
    """The event of one record. ``time`` is milliseconds since the epoch, as OCSF's ``timestamp_t``."""
    activity = _ACTIVITIES.get(record.request.operation, _OTHER)
    severity = max((_SEVERITIES[finding.severity] for finding in record.findings), default=_SEVERITIES["info"])
    event: dict[str, Any] = {
        "category_uid": _CATEGORY,
        "category_name": "Application Activity",
        "class_uid": _CLASS,
        "class_name": "API Activity",
        "activity_id": activity[0],
        "activity_name": activity[1],
        "type_uid": _CLASS * 100 + activity[0],
        "severity_id": severity[0],
        "severity": severity[1],
        "time": round(datetime.fromisoformat(record.time).timestamp() * 1000),
        "metadata": {
            "version": SCHEMA_VERSION,
            "profiles": ["security_control"],
            "uid": record.id,
            "sequence": record.seq,
            "event_code": record.type,
            "log_name": f"govgate.dev/audit/{log_id}",
            "product": {"name": "govgate", "vendor_name": "govgate", "version": __version__},
        },
        # The API server does not tell a webhook where its client is.
        "src_endpoint": {"name": "kube-apiserver" if record.type == "decision" else "govgate"},
        "unmapped": {"hash": digest, "prev": record.prev},
    }
    event |= _decision(record) if record.type == "decision" else _own(record)
    return event


def _decision(record: Record) -> dict[str, Any]:
    request, verdict = record.request, record.verdict
    allowed = verdict.decision == "allow"
    action = _ALLOWED if allowed else _DENIED
    status = _SUCCESS if verdict.decision != "undecided" else _FAILURE
    disposition = _DISPOSITIONS.get(verdict.decision, (0, "Unknown"))
    user = {"name": request.actor.username, "uid": request.actor.uid}
    groups = [{"name": group} for group in request.actor.groups]
    return {
        "actor": {"user": user | {"groups": groups}},
        "api": {
            "operation": request.operation,
            "version": request.version,
            "group": {"name": request.group},
            "service": {"name": "kubernetes"},
            "request": {"uid": request.uid, "flags": ["dryRun"] if request.dry_run else []},
            "response": {"code": {"allow": 200, "deny": 403}.get(verdict.decision, 503)},
        },
        "resources": [
            {
                "type": f"{request.resource}/{request.subresource}" if request.subresource else request.resource,
                "name": request.name,
                "namespace": request.namespace,
                "version": request.version,
            }
        ],
        "action_id": action[0],
        "action": action[1],
        "disposition_id": disposition[0],
        "disposition": disposition[1],
        "status_id": status[0],
        "status": status[1],
        "status_detail": "; ".join(verdict.reasons),
        "message": "; ".join(finding.message for finding in record.findings),
        "policy": {"name": "govgate", "uid": record.rules},
        "is_alert": not allowed,
    }


def _own(record: Record) -> dict[str, Any]:
    return {
        "actor": {"app_name": "govgate"},
        "api": {"operation": record.type, "service": {"name": "govgate"}},
        "action_id": _ALLOWED[0],
        "action": _ALLOWED[1],
        "status_id": _SUCCESS[0],
        "status": _SUCCESS[1],
        "message": f"audit log: {record.type}",
    }
