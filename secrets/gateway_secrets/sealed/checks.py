"""What can be said about a SealedSecret without opening it, and with keys. Pure: what keys open is told by the caller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway_secrets.sealed import hybrid
from gateway_secrets.sealed.errors import InputError, MalformedBlobError
from gateway_secrets.sealed.moved import moved
from gateway_secrets.sealed.objects import API_VERSION, COPIES, KIND, NAME, NAMESPACE, Sealed, check_key, field_at
from gateway_secrets.sealed.records import is_note, read_notes
from gateway_secrets.sealed.scope import CLUSTER_WIDE, NAMESPACE_WIDE, Scope, scope_of

GUARD = "sealed"


class Rule(msgspec.Struct, frozen=True):
    """One check. ``remedy``: what to do about what it finds."""

    title: str
    severity: Severity
    action: Action
    remedy: str


_SEAL_AGAIN = "seal the Secret again (govgate seal)"
RULES = {
    "structure": Rule("A sealed value is built as one", Severity.HIGH, Action.DENY, _SEAL_AGAIN),
    "name": Rule(
        "Name and keys are ones that Kubernetes takes", Severity.HIGH, Action.DENY, "correct it, and seal again"
    ),
    "place": Rule(
        "It is said for which namespace it is sealed", Severity.MEDIUM, Action.WARN, "state metadata.namespace"
    ),
    "elsewhere": Rule(
        "A sealed value is noted as sealed for where it stands",
        Severity.HIGH,
        Action.DENY,
        "seal the Secret again for this name, namespace and scope (govgate seal), or put the object back",
    ),
    "scope": Rule(
        "The scope is stated once, and its template agrees",
        Severity.MEDIUM,
        Action.WARN,
        "state the scope in metadata.annotations, the same in spec.template.metadata.annotations",
    ),
    "plain-copy": Rule(
        "No annotation holds the Secret in plain text",
        Severity.CRITICAL,
        Action.DENY,
        "remove the annotation, and change the secret: it is in Git's history",
    ),
    "notes": Rule(
        "What govgate notes is in the object's metadata and readable", Severity.LOW, Action.WARN, _SEAL_AGAIN
    ),
    "expired": Rule("The certificate has not expired", Severity.MEDIUM, Action.WARN, "govgate seal reencrypt"),
    "expires": Rule("The certificate does not expire soon", Severity.LOW, Action.WARN, "govgate seal reencrypt"),
    "certificate": Rule(
        "It is sealed with the certificate asked for", Severity.HIGH, Action.DENY, "govgate seal reencrypt"
    ),
    "opens": Rule(
        "The keys open it", Severity.HIGH, Action.DENY, "seal it for this cluster, name, namespace and scope"
    ),
}
"""By name; a finding's rule is ``sealed/<name>``."""


class Facts(msgspec.Struct, frozen=True):
    """What a SealedSecret is judged by. ``certificates``: fingerprints, of which every value must have one, if there are
    any. ``opened``: for each key whether it could be opened; None if nobody tried. ``days``: how soon is soon.
    """

    now: datetime
    days: int = 30
    certificates: frozenset[str] = frozenset()
    opened: Mapping[str, bool] | None = None


def check_sealed(sealed: Sealed, facts: Facts) -> list[Finding]:
    """Everything that is wrong with it, or will be soon."""
    resource = Resource(API_VERSION, KIND, sealed.namespace, sealed.name)
    parts = (_names(sealed), _scope(sealed), _values(sealed, facts), _notes(sealed), _certificates(sealed, facts))
    return [finding_of(rule, resource, field, message) for part in parts for rule, field, message in part]


def finding_of(rule: str, resource: Resource, field: str, message: str) -> Finding:
    """A finding of one of :data:`RULES`."""
    about, name = RULES[rule], f"{GUARD}/{rule}"
    return Finding(
        finding_id(name, resource, field),
        name,
        about.severity,
        about.action,
        GUARD,
        resource,
        field,
        message,
        about.remedy,
    )


_Found = Iterator[tuple[str, str, str]]
"""Rule, field, message."""


def _names(sealed: Sealed) -> _Found:
    if NAME.fullmatch(sealed.name) is None:
        yield "name", "metadata.name", "has no name" if not sealed.name else "the name is no DNS name"
    if sealed.namespace and NAMESPACE.fullmatch(sealed.namespace) is None:
        yield "name", "metadata.namespace", "the namespace is no DNS label"
    if not sealed.namespace and sealed.scope is not Scope.CLUSTER_WIDE:
        yield "place", "metadata.namespace", f"is sealed {sealed.scope} and names no namespace: it opens in one only"
    inner = sealed.template.get("metadata") or {}
    for field, own in (("name", sealed.name), ("namespace", sealed.namespace)):
        if inner.get(field) not in {None, "", own}:
            yield "place", f"spec.template.metadata.{field}", f"differs from metadata.{field}, which is what counts"


def _scope(sealed: Sealed) -> _Found:
    stated = [name for name in (CLUSTER_WIDE, NAMESPACE_WIDE) if name in sealed.annotations]
    for name in stated:
        if sealed.annotations[name] not in {"true", "false"}:
            yield "scope", field_at("metadata.annotations", name), 'only "true" counts: this states nothing'
    if all(sealed.annotations.get(name) == "true" for name in (CLUSTER_WIDE, NAMESPACE_WIDE)):
        yield "scope", "metadata.annotations", "states two scopes: cluster-wide is the one that counts"
    inner = (sealed.template.get("metadata") or {}).get("annotations") or {}
    if isinstance(inner, dict) and scope_of(inner) is not sealed.scope:
        said = f"is {sealed.scope}, its template says {scope_of(inner)}: the object's own annotations count"
        yield "scope", "spec.template.metadata.annotations", said


def _values(sealed: Sealed, facts: Facts) -> _Found:
    if not sealed.values:
        yield "structure", "spec.encryptedData", "holds no value"
    for key, text in sealed.values.items():
        field = field_at("spec.encryptedData", key)
        try:
            hybrid.split(hybrid.decode(text))
        except MalformedBlobError as error:
            yield "structure", field, f"is no sealed value: {error}"
            continue
        try:
            check_key(key, where="key")
        except InputError:
            yield "name", field, "no Secret can have such a key (letters, digits, - _ .)"
        if facts.opened is not None and not facts.opened.get(key, False):
            yield "opens", field, "no key opens it: it is for another key, name, namespace or scope, or it was changed"


def _notes(sealed: Sealed) -> _Found:
    inner = (sealed.template.get("metadata") or {}).get("annotations") or {}
    for path, stated in (("metadata", sealed.annotations), ("spec.template.metadata", inner)):
        for name in stated:
            if name in COPIES:
                yield (
                    "plain-copy",
                    field_at(f"{path}.annotations", name),
                    "holds a copy of the object as it was applied",
                )
    for name in inner:
        if is_note(name):
            yield "notes", field_at("spec.template.metadata.annotations", name), "would be copied into the Secret"


def _certificates(sealed: Sealed, facts: Facts) -> _Found:
    for one in moved(sealed):
        yield "elsewhere", field_at("spec.encryptedData", one.key), one.message
    notes = read_notes(sealed.annotations, sealed.values)
    if notes.unreadable:
        yield "notes", "metadata.annotations", "what is noted about the values cannot be read"
    for key in notes.stale:
        yield "notes", field_at("spec.encryptedData", key), "is not the value that is noted: another tool wrote it"
    for key in sealed.values:
        note, field = notes.values.get(key), field_at("spec.encryptedData", key)
        if facts.certificates and (note is None or note.fingerprint not in facts.certificates):
            known = "it is not noted with which" if note is None else f"but with {note.fingerprint[:16]}…"
            yield "certificate", field, f"is not known to be sealed with that certificate, {known}"
        if note is None:
            continue
        if note.expires < facts.now:
            yield "expired", field, f"the certificate it is sealed with expired on {note.expires:%Y-%m-%d}"
        elif note.expires < facts.now + timedelta(days=facts.days):
            yield "expires", field, f"the certificate it is sealed with expires on {note.expires:%Y-%m-%d}"
