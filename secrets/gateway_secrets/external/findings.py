"""Faults as findings: the same id, words and action in a pull request and at admission."""

from __future__ import annotations

import msgspec

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway_secrets.external.spec import Json
from gateway_secrets.external.validate import faults

GUARD = "secrets"
_ORDER = (Action.DENY, Action.WARN, Action.AUDIT)
_HIGH = frozenset(("privileged-template", "allowed-keys"))


def findings_of(document: Json, about: Resource, most: Action) -> list[Finding]:
    """What is wrong with an object of ``external-secrets.io/v1``. ``most``: what a finding does at most.

    Raises:
        NativeMissingError: it has patterns, and there is no native library to read them.
    """
    found = []
    for fault in faults(document):
        rule = f"external-secrets/{fault.rule}"
        action = max(fault.action, most, key=_ORDER.index)
        severity = Severity.HIGH if fault.rule in _HIGH else Severity.MEDIUM
        found.append(
            Finding(
                finding_id(rule, about, fault.field),
                rule,
                severity,
                action,
                GUARD,
                about,
                fault.field,
                fault.message,
                fault.remedy,
            )
        )
    return list({msgspec.json.encode([one.id, one.message]): one for one in found}.values())
