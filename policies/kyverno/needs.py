"""What a rule must know beyond the object, by what it names; and what only a cluster could tell it.

Kyverno's command line does not say when something is missing: a namespace selector does not match, a subject is not
compared, a list of other objects is empty. So it is looked for before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.rule import NAMESPACE, USER

OPERATION = "operation"
"""What the request does, or how the object was: known where it is created."""

_CEL_OUTSIDE = re.compile(r"(?<![.\w])(?:(?:resource|globalContext|http|image)\s*\.\s*[A-Z]\w*\s*\(|authorizer\s*\.)")
_USER = re.compile(r"request\.userInfo|\{\{\s*(?:serviceAccountName|serviceAccountNamespace)\b")
_ROLES = re.compile(r"request\.(?:roles|clusterRoles)\b")
_OPERATION = re.compile(r"request\.(?:operation|oldObject)|\boldObject\b")
_OUTSIDE_KEYS = {
    "apiCall": "asks the cluster (apiCall)",
    "configMap": "reads a ConfigMap of the cluster",
    "globalReference": "reads a GlobalContextEntry",
    "imageRegistry": "asks a registry (imageRegistry)",
    "verifyImages": "asks a registry (verifyImages)",
    "paramKind": "reads parameters of the cluster (paramKind)",
    "manifests": "verifies signed manifests",
    "roles": "matches by roles",
    "clusterRoles": "matches by cluster roles",
}
_QUOTED = frozenset(("pattern", "anyPattern", "patchStrategicMerge"))


def needs_of(part: Any) -> tuple[str, ...]:
    """Which of ``namespace``, ``user``, ``operation`` a rule or a spec depends on."""
    found = set()
    for key, value in _walk(part):
        if (key == "namespaceSelector" and value) or (isinstance(value, str) and "namespaceObject" in value):
            found.add(NAMESPACE)
        if (key == "subjects" and value) or (isinstance(value, str) and _USER.search(value)):
            found.add(USER)
        if isinstance(value, str) and _OPERATION.search(value):
            found.add(OPERATION)
        if key == "operations" and isinstance(value, list) and not {"CREATE", "*"} & set(map(str, value)):
            found.add(OPERATION)
    return tuple(sorted(found))


def beyond(part: Any) -> str:
    """Why a rule cannot be judged without a cluster, a registry or the network; empty if it can."""
    for key, value in _walk(part):
        if value and key in _OUTSIDE_KEYS:
            return _OUTSIDE_KEYS[key]
        if isinstance(value, str) and _ROLES.search(value):
            return "depends on the roles of who asks"
        if isinstance(value, str) and _CEL_OUTSIDE.search(value):
            return "asks for more than the request (CEL library)"
    return ""


def _walk(part: Any, key: str = "", *, quoted: bool = False) -> Iterator[tuple[str, Any]]:
    """Every value with its key; with none in lists, and in what is ``quoted``: a part of objects, with keys of theirs."""
    yield key, part
    if isinstance(part, dict):
        for name, below in part.items():
            yield from _walk(below, "" if quoted else str(name), quoted=quoted or name in _QUOTED)
    elif isinstance(part, list):
        for below in part:
            yield from _walk(below, quoted=quoted)
