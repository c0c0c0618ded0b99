"""Crossplane: packages and their revisions. Source: the API group ``pkg.crossplane.io``."""

from __future__ import annotations

from gateway.core.subject import Json
from webhooks.sources.fetch import Fetch, items, pinned, section, text

GROUP = "pkg.crossplane.io"
_ACCOUNT = "crossplane"
"""Its ServiceAccount, whose pull secrets it has for all packages; in its own namespace, where package pull secrets are."""
_FIELDS = {
    "Provider": "package",
    "Configuration": "package",
    "Function": "package",
    "ProviderRevision": "image",
    "ConfigurationRevision": "image",
    "FunctionRevision": "image",
}
KINDS = frozenset(_FIELDS)


def package(document: Json, _namespace: str) -> list[Fetch]:
    """The package; one without a registry is from whichever Crossplane was started with."""
    spec = section(document, "spec")
    name = _FIELDS.get(text(document.get("kind")), "package")
    reference, field = text(spec.get(name)), f"spec.{name}"
    secrets = tuple(found for one in items(spec, "packagePullSecrets") if (found := text(one.get("name"))))
    if not reference:
        return []
    first = reference.partition("/")[0]
    if "." not in first and ":" not in first and first != "localhost":
        why = "it names no registry: Crossplane takes the one that it was started with"
        return [Fetch("package", reference, field, unresolvable=why, secrets=secrets, account=_ACCOUNT)]
    head, at, digest = reference.partition("@")
    repository, tag = head, ""
    if ":" in head.rpartition("/")[2]:
        repository, _, tag = head.rpartition(":")
    found, mutable = pinned(repository, f"{tag}@{digest}" if at else tag)
    return [Fetch("package", found, field, mutable, secrets=secrets, account=_ACCOUNT)]
