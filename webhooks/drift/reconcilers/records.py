"""What is kept of a reconciler's own object once it arrives from a watch: small, typed, without the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gateway.core.subject import Json
from webhooks.drift.facts import IgnoreRule, ObjectKey, Owner, OwnerRef

_HOST = re.compile(r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
MAX_RULES = 200
MAX_INVENTORY = 20_000


class Record(msgspec.Struct, frozen=True):
    """One owner, as cached: itself, its inventory, and what must be looked up elsewhere to complete it.

    ``needs`` names another cached object: ``(plural, namespace, name)`` of its source or its project. ``destination`` is
    the server and namespace that it deploys to, ``clusters`` what it itself calls that server.
    """

    ref: OwnerRef
    owner: Owner
    inventory: tuple[ObjectKey, ...] = ()
    needs: tuple[str, str, str] = ("", "", "")
    destination: tuple[str, str] = ("", "")
    clusters: tuple[str, ...] = ()


Reduce = Callable[[Json], Record]
"""What is kept of an owner that a watch brings."""


def section(value: Any, *names: str) -> Json:
    """The mapping at a path of names, empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A string, empty for anything else."""
    return value if isinstance(value, str) else ""


def texts(value: Any) -> tuple[str, ...]:
    """The strings in a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def objects(value: Any) -> Iterable[Json]:
    """The mappings in a list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def service_account(namespace: str, name: str) -> frozenset[str]:
    """The user name of a service account, none for an empty name."""
    return frozenset((f"system:serviceaccount:{namespace}:{name}",)) if name else frozenset()


def public_url(url: str) -> str:
    """The URL without credentials: no user information, no query, no fragment; nothing of one that is not readable."""
    scheme, found, rest = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    # A password with a slash ends the authority early: then this is no host and port.
    if found and not _HOST.fullmatch(host):
        return ""
    return f"{scheme}{found}{host}{slash}{path}"


def flux_ignore(rules: Any) -> tuple[IgnoreRule, ...]:
    """``[{paths, target}]`` of a Kustomization's ``spec.ignore`` or a HelmRelease's ``spec.driftDetection.ignore``."""
    found = []
    for rule in list(objects(rules))[:MAX_RULES]:
        target = section(rule, "target")
        found.append(
            IgnoreRule(
                group=text(target.get("group")),
                kind=text(target.get("kind")),
                name=text(target.get("name")),
                namespace=text(target.get("namespace")),
                labels=text(target.get("labelSelector")),
                annotations=text(target.get("annotationSelector")),
                pointers=texts(rule.get("paths")),
            )
        )
    return tuple(found)


def flux_inventory(status: Json) -> tuple[ObjectKey, ...]:
    """``status.inventory.entries[].id``: ``<namespace>_<name>_<group>_<kind>``, a colon in a name written ``__``.

    Source: fluxcd/cli-utils ``pkg/object/objmetadata.go``.
    """
    found = []
    for entry in list(objects(section(status, "inventory").get("entries")))[:MAX_INVENTORY]:
        namespace, _, rest = text(entry.get("id")).partition("_")
        rest, _, kind = rest.rpartition("_")
        name, _, group = rest.rpartition("_")
        if kind and name:
            found.append(ObjectKey(group, kind, namespace, name.replace("__", ":")))
    return tuple(found)
