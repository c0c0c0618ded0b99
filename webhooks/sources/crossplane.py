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
    """The package; see :func:`qualified` for one that names no registry."""
    spec = section(document, "spec")
    name = _FIELDS.get(text(document.get("kind")), "package")
    reference, field = text(spec.get(name)), f"spec.{name}"
    secrets = tuple(found for one in items(spec, "packagePullSecrets") if (found := text(one.get("name"))))
    if not reference:
        return []
    head, at, digest = reference.partition("@")
    repository, tag = head, ""
    if ":" in head.rpartition("/")[2]:
        repository, _, tag = head.rpartition(":")
    found, mutable = pinned(repository, f"{tag}@{digest}" if at else tag)
    return [Fetch("package", found, field, mutable, secrets=secrets, account=_ACCOUNT)]


def qualified(reference: str, registry: str) -> str:
    """A package's reference with its registry: where it names none, Crossplane 1 takes the one it was started with.

    Whether it names one is seen from its first part, before a slash (go-containerregistry's rule, for which ``localhost``
    without a port is none).
    """
    first, slash, _ = reference.partition("/")
    named = bool(slash) and ("." in first or ":" in first)
    return reference if named else f"{registry}/{reference}"
