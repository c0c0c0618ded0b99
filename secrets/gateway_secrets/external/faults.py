"""What may be wrong with an ExternalSecret, a PushSecret or a store: the rules, and what a fault says."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core.finding import Action, Severity

PREFIX = "external-secrets/"
SCHEMA_RULES = frozenset(("api-version", "unknown-field"))
"""What an API server decides by the schema that it has: what it took is right by that, and may be newer than what is known here."""
STORES = ("SecretStore", "ClusterSecretStore")
EXTERNALS = ("ExternalSecret", "ClusterExternalSecret")
PUSHES = ("PushSecret", "ClusterPushSecret")
GENERATORS = ("VaultDynamicSecret", "ClusterGenerator")


class Rule(msgspec.Struct, frozen=True):
    """``kinds``: of the objects that it is about. ``action``: what most of its findings do, unless less is configured."""

    title: str
    kinds: tuple[str, ...] = EXTERNALS
    severity: Severity = Severity.MEDIUM
    action: Action = Action.DENY


RULES = {
    "malformed": Rule("Fields hold what ESO's CRDs take", (*EXTERNALS, *PUSHES, *STORES)),
    "unknown-field": Rule("Fields are those of ESO's CRDs", (*EXTERNALS, *PUSHES, *STORES)),
    "api-version": Rule("Objects are of the version that is served", (*EXTERNALS, *STORES)),
    "unsupported": Rule("What is asked for is done here", (*EXTERNALS, *PUSHES, *STORES)),
    "no-source": Rule("An ExternalSecret reads something"),
    "one-source": Rule("Each entry has one source"),
    "no-store": Rule("Each entry names a store"),
    "policies": Rule("Creation and deletion policies agree"),
    "privileged-template": Rule("Templates make no tokens of the cluster", severity=Severity.HIGH),
    "template-target": Rule("Templates make data, labels and annotations"),
    "template-source": Rule("Each entry of templateFrom names a template"),
    "template": Rule("Templates can be read, and call what there is", (*EXTERNALS, *PUSHES)),
    "pattern": Rule("Patterns are RE2's", (*EXTERNALS, *PUSHES, *STORES)),
    "rewrite": Rule("Each rewrite is one operation", (*EXTERNALS, *PUSHES)),
    "duplicate-key": Rule("Each key of the Secret is made once"),
    "find-all": Rule("Searches have bounds", action=Action.WARN),
    "generator": Rule("Generators are run here, and what they make is remembered", (*EXTERNALS, *PUSHES, *GENERATORS)),
    "refresh-interval": Rule("Intervals are not below the least", (*EXTERNALS, *PUSHES), action=Action.WARN),
    "push": Rule("PushSecrets say what is pushed, and where", PUSHES),
    "provider": Rule("A store has one provider, which can be used", STORES),
    "allowed-keys": Rule("The list of allowed keys can be read", STORES, Severity.HIGH),
}


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong. ``rule``: one of :data:`RULES`. ``here``: ESO does it, and govgate does not."""

    rule: str
    field: str
    message: str
    remedy: str
    action: Action = Action.DENY
    here: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.message}; {self.remedy}"


def refusal(found: Sequence[Fault]) -> str:
    """Why the controller refuses an object that is its own, in one line; empty if it does not."""
    return "; ".join(str(one) for one in found if one.action is Action.DENY and one.rule not in SCHEMA_RULES)[:1000]


def remarks(found: Sequence[Fault]) -> str:
    """What the controller says of an object that it works on all the same: what it does not heed. Empty if that is nothing."""
    told = [one for one in found if one.rule in (*SCHEMA_RULES, "refresh-interval")]
    return "; ".join(str(one) for one in told)[:500]
