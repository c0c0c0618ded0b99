"""Faults as findings: the same id, words and action in a pull request and at admission."""

from __future__ import annotations

import msgspec

from gateway.core.finding import Action, Finding, Resource, finding_id
from gateway_secrets.external.faults import PREFIX, RULES, SCHEMA_RULES, Fault
from gateway_secrets.external.spec import Json
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS, faults

GUARD = "secrets"
_ORDER = (Action.DENY, Action.WARN, Action.AUDIT)


class Heed(msgspec.Struct, frozen=True):
    """What findings depend on beside the object.

    ``most``: what they do at most. ``resolved``: whether govgate is what resolves ExternalSecrets, by its configuration: else
    that it does not do what ESO does denies nothing. ``admitted``: whether an API server took the object by its schema.
    ``least_refresh``: seconds between two refreshes, at least.
    """

    most: Action = Action.DENY
    resolved: bool = True
    admitted: bool = False
    least_refresh: float = LEAST_REFRESH_SECONDS


def findings_of(document: Json, about: Resource, heed: Heed) -> list[Finding]:
    """What is wrong with an object of ``external-secrets.io``.

    Raises:
        NativeMissingError: it has patterns, and there is no native library to read them.
    """
    found = [_finding(fault, about, heed) for fault in faults(document, least_refresh=heed.least_refresh)]
    return list({msgspec.json.encode([one.id, one.message]): one for one in found}.values())


def _finding(fault: Fault, about: Resource, heed: Heed) -> Finding:
    rule = f"{PREFIX}{fault.rule}"
    action = max(fault.action, heed.most, key=_ORDER.index)
    if (fault.here and not heed.resolved) or (fault.rule in SCHEMA_RULES and heed.admitted):
        action = max(action, Action.WARN, key=_ORDER.index)
    return Finding(
        finding_id(rule, about, fault.field),
        rule,
        RULES[fault.rule].severity,
        action,
        GUARD,
        about,
        fault.field,
        fault.message,
        fault.remedy,
    )
