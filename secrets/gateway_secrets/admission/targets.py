"""ExternalSecrets that would write over a Secret which is not theirs.

External Secrets Operator adopts a Secret of the target's name: with ``creationPolicy: Owner`` (the default), ``Orphan`` and
``CreateOrMerge`` it replaces or adds values, with ``Merge`` it only adds to one that is there. Source: external-secrets,
``apis/externalsecrets/v1/externalsecret_types.go`` (creation policies, labels).
"""

from __future__ import annotations

import msgspec

from gateway.core.finding import Action
from gateway.core.subject import Json
from gateway_secrets.admission.reading import controller, group_of, section, text, texts

GROUP, KIND = "external-secrets.io", "ExternalSecret"
CONSENT = "secrets.govgate.dev/written-by"
"""An annotation of the Secret: the names of ExternalSecrets that may write it, with commas in between."""
MANAGED = "reconcile.external-secrets.io/managed"
"""A label of Secrets that some ExternalSecret made."""

_WRITES = frozenset(("Owner", "Orphan", "Merge", "CreateOrMerge"))


class Target(msgspec.Struct, frozen=True):
    """The Secret that an ExternalSecret writes, and how."""

    name: str
    policy: str


def target_of(external: Json, name: str) -> Target | None:
    """What it writes; None if that is nothing. ``name``: the ExternalSecret's, which is the Secret's by default."""
    target = section(section(external, "spec"), "target")
    policy = text(target.get("creationPolicy")) or "Owner"
    return Target(text(target.get("name")) or name, policy) if policy in _WRITES else None


def foreign(target: Target, external: str, secret: Json | None) -> tuple[str, Action] | None:
    """Whose the Secret is, and what a finding of that does at most; None if it may be written.

    Args:
        target: what is written.
        external: the name of the ExternalSecret.
        secret: what is known of the Secret: its metadata; None if there is none.
    """
    if secret is None or _may(external, secret):
        return None
    owner = controller(secret)
    if owner:
        return f"which {text(owner.get('kind'))} {text(owner.get('name'))} controls", Action.DENY
    if texts(section(secret, "metadata"), "labels").get(MANAGED) == "true":
        return "which some ExternalSecret made that is not its owner", Action.WARN
    if target.policy == "Merge":
        return "which nothing says it may", Action.WARN
    return "which it did not make", Action.DENY


def _may(external: str, secret: Json) -> bool:
    """Whether the Secret is the ExternalSecret's, by its owner of that name, or lets it write."""
    consent = texts(section(secret, "metadata"), "annotations").get(CONSENT, "")
    owner = controller(secret)
    known = group_of(owner.get("apiVersion")), owner.get("kind"), owner.get("name")
    return known == (GROUP, KIND, external) or external in (name.strip() for name in consent.split(","))
