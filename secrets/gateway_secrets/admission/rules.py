"""The rules about Secrets, SealedSecrets and ExternalSecrets as they are written, and their findings."""

from __future__ import annotations

import msgspec

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway_secrets.detect.findings import GUARD

PLAIN = "secrets/plain-secret"
ELSEWHERE = "secrets/sealed-elsewhere"
SCOPE = "secrets/sealed-scope"
CERTIFICATE = "secrets/sealed-certificate"
TARGET = "secrets/foreign-target"

WORST_LAST = (Action.AUDIT, Action.WARN, Action.DENY)


class Rule(msgspec.Struct, frozen=True):
    """One rule. ``action``: what its findings do, unless less is configured. ``kind``: of the objects it is about."""

    id: str
    title: str
    severity: Severity
    action: Action
    kind: str
    remedy: str


RULES = {
    rule.id: rule
    for rule in (
        Rule(
            PLAIN,
            "Secrets come sealed, or from a store",
            Severity.HIGH,
            Action.DENY,
            "Secret",
            "seal it (govgate seal FILE --cert CERTIFICATE), or write an ExternalSecret; a controller that makes Secrets of"
            " its own is named in secrets.plain.writers",
        ),
        Rule(
            ELSEWHERE,
            "A SealedSecret stands where it is sealed for",
            Severity.HIGH,
            Action.DENY,
            "SealedSecret",
            "seal the Secret again for this name and namespace (govgate seal), or put the object back",
        ),
        Rule(
            SCOPE,
            "The scope of a SealedSecret is the one that it is sealed for",
            Severity.HIGH,
            Action.DENY,
            "SealedSecret",
            "seal the Secret again with the scope that is wanted (govgate seal --scope), or put the annotations back",
        ),
        Rule(
            CERTIFICATE,
            "A SealedSecret is sealed with a certificate of this cluster",
            Severity.MEDIUM,
            Action.WARN,
            "SealedSecret",
            "seal it for this cluster (govgate seal reencrypt); a new certificate is named in secrets.sealed.certificates",
        ),
        Rule(
            TARGET,
            "An ExternalSecret writes Secrets of its own",
            Severity.HIGH,
            Action.DENY,
            "ExternalSecret",
            "choose another spec.target.name, or delete the Secret first; whoever may write the Secret lets it be written by"
            " the annotation secrets.govgate.dev/written-by: NAME, with the ExternalSecret's name",
        ),
    )
}


def finding(rule: str, about: Resource, field: str, message: str, most: Action) -> Finding:
    """A finding that does at most ``most``."""
    stated = RULES[rule]
    action = least(stated.action, most)
    return Finding(
        finding_id(rule, about, field), rule, stated.severity, action, GUARD, about, field, message, stated.remedy
    )


def least(*actions: Action) -> Action:
    """The mildest."""
    return min(actions, key=WORST_LAST.index)
