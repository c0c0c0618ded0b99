"""Which values may be shown: those of an allow-list of fields, never a Secret's, and always short and printable.

Everything else is said to have changed, not how: environment values, arguments, ConfigMap data and annotations hold
secrets more often than anyone admits.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.subject import GroupVersionKind
from webhooks.drift.equality import MISSING
from webhooks.drift.paths import Path

MAX_CHARS = 120

_SHOWN = frozenset(
    f"f:{name}"
    for name in (
        "image",
        "imagePullPolicy",
        "replicas",
        "minReplicas",
        "maxReplicas",
        "minAvailable",
        "maxUnavailable",
        "maxSurge",
        "parallelism",
        "completions",
        "suspend",
        "paused",
        "schedule",
        "cpu",
        "memory",
        "storage",
        "ephemeral-storage",
        "port",
        "targetPort",
        "nodePort",
        "containerPort",
        "protocol",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "hostPort",
        "privileged",
        "runAsUser",
        "runAsGroup",
        "runAsNonRoot",
        "allowPrivilegeEscalation",
        "readOnlyRootFilesystem",
        "serviceAccountName",
        "storageClassName",
        "ingressClassName",
        "restartPolicy",
        "revisionHistoryLimit",
        "terminationGracePeriodSeconds",
    )
)


_FREE_FORM = frozenset(
    f"f:{name}"
    for name in ("data", "stringData", "binaryData", "encryptedData", "annotations", "labels", "values", "env", "args")
)
"""Whose keys are anybody's choice: a ConfigMap's ``data.image`` is no image."""


def shown(kind: GroupVersionKind, path: Path, value: Any) -> str | None:
    """The value as text, or None if it may not be shown. A missing value is ``(none)``."""
    if not path or path[-1] not in _SHOWN or "Secret" in kind.kind or not _FREE_FORM.isdisjoint(path):
        return None
    if value is MISSING:
        return "(none)"
    if isinstance(value, dict | list):
        return None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
