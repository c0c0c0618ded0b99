"""Hits as findings: the same id, words and action in a file, in a pull request and at admission."""

from __future__ import annotations

from typing import Any

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway_secrets.detect.hit import Hit, Kind
from gateway_secrets.detect.kinds import FAKE_SEALED, KINDS, KUBERNETES_SECRET

GUARD = "secrets"
_DENIED = frozenset((Severity.CRITICAL, Severity.HIGH))
CHANGE = "then change the credential: whoever could read this has it"


def rule_of(kind: str) -> str:
    """The id of the rule that finds a kind."""
    return f"detect/{kind}"


def action_of(kind: Kind) -> Action:
    """What is medium may be no secret by itself: it warns."""
    return Action.DENY if kind.severity in _DENIED else Action.WARN


def finding_of(hit: Hit, resource: Resource, field: str, remedy: str) -> Finding:
    """A finding without a place. ``field``: the hit's, or what tells it from others of the same name."""
    kind = KINDS[hit.kind]
    rule = rule_of(kind.id)
    holds = f" ({hit.holds})" if hit.holds else ""
    return Finding(
        finding_id(rule, resource, field),
        rule,
        kind.severity,
        action_of(kind),
        GUARD,
        resource,
        field,
        f"holds {kind.title}{holds}",
        remedy,
    )


def resource_of(document: dict[str, Any]) -> Resource:
    """What an object is called."""
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    return Resource(
        str(document.get("apiVersion")), str(document.get("kind")), str(metadata.get("namespace") or ""), str(name)
    )


def object_remedy(kind: str) -> str:
    """What to do about a hit in an object."""
    if kind == KUBERNETES_SECRET:
        return f"seal it (govgate seal) or encrypt it (govgate sops encrypt), {CHANGE}"
    if kind == FAKE_SEALED:
        return f"seal the value (govgate seal --merge-into), {CHANGE}"
    return f"keep it in a Secret that is sealed (govgate seal) or external, refer to that, {CHANGE}"
