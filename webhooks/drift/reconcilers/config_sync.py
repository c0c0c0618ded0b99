"""Config Sync: RootSync and RepoSync.

An object is Config Sync's if it says ``managed: enabled`` and its ``resource-id`` names the object itself: annotations
are copied, the id then names another. What Git declares stands in an annotation besides managedFields.
Sources: kpt-config-sync ``pkg/syncer/differ/util.go``, ``pkg/core/id.go``, ``pkg/declared/resource_manager.go``,
``pkg/core/names.go``, ``pkg/webhook/validate.go``, ``pkg/metadata`` (v1.2x).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.config.reconcilers import ConfigSync
from gateway.core.errors import UndecidedError
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.fields import FieldsV1
from webhooks.drift.managed import Entry, string_map
from webhooks.drift.paths import ANNOTATIONS, LABELS, Path
from webhooks.drift.reconcilers.base import Defaults, git_place

MANAGED = "configmanagement.gke.io/managed"
RESOURCE_ID = "configsync.gke.io/resource-id"
MANAGER = "configsync.gke.io/manager"
DECLARED_FIELDS = "configsync.gke.io/declared-fields"
DECLARED_VERSION = "configsync.gke.io/declared-version"
MUTATION = "client.lifecycle.config.k8s.io/mutation"
_INVENTORY = "config.k8s.io/owning-inventory"
_NAMES = (MANAGED, RESOURCE_ID, MANAGER, DECLARED_FIELDS, _INVENTORY)
_MUTATION_PATH: Path = (*ANNOTATIONS, f"f:{MUTATION}")
_ROOT = ":root"
_SYNC = re.compile(r"(:root|[a-z0-9-]{1,63})(?:_([a-z0-9.-]{1,253}))?")


class ConfigSyncReconciler(Defaults):
    """Config Sync. Each sync's reconciler has an account that follows from the sync's name."""

    id = "config-sync"
    section = "configSync"
    title = "Config Sync"
    marks = (RESOURCE_ID,)
    always_tracked = True
    """Its own webhook, too, keeps the metadata of an object whose fields it ignores."""

    def __init__(self, config: ConfigSync) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.managers = frozenset(config.field_managers)
        self._namespace = config.namespace

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By a resource id that names this very object."""
        annotations = string_map(obj, "annotations")
        if annotations.get(MANAGED) != "enabled" or annotations.get(RESOURCE_ID) != _id_of(subject):
            return None
        manager = annotations.get(MANAGER)
        found = _SYNC.fullmatch(manager if isinstance(manager, str) else "") or _SYNC.fullmatch(_ROOT)
        scope, name = found.groups() if found else (_ROOT, None)
        if scope == _ROOT:
            return OwnerRef(self.id, self._namespace, name or "root-sync")
        return OwnerRef(self.id, scope, name or "repo-sync")

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:
        """In the same way: the id needs no managedFields to confirm it."""
        return self.claim(obj, subject, [])

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """The annotations that say whose it is and what is declared, and the version of the declaration."""
        return (*((*ANNOTATIONS, f"f:{name}") for name in _NAMES), (*LABELS, f"f:{DECLARED_VERSION}"))

    def stated(self, obj: Json) -> tuple[tuple[str, FieldsV1], ...]:
        """The annotation ``declared-fields``: FieldsV1, in the version that a label names, else in the object's own.

        Raises:
            UndecidedError: it is not readable.
        """
        text = string_map(obj, "annotations").get(DECLARED_FIELDS)
        if not isinstance(text, str) or not text:
            return ()
        version, label = str(obj.get("apiVersion", "")), string_map(obj, "labels").get(DECLARED_VERSION)
        if isinstance(label, str) and label:
            group, slash, _ = version.rpartition("/")
            version = f"{group}{slash}{label}"
        return ((version, _fields(text)),)

    def switched_off(self, obj: Json, operation: str) -> tuple[str, Path] | None:
        """``mutation: ignore`` concerns changes, and only where Git itself declares it."""
        ignores = string_map(obj, "annotations").get(MUTATION) == "ignore"
        if operation != "UPDATE" or not ignores or not any(_names(below) for _, below in self.stated(obj)):
            return None
        return f"{MUTATION}: ignore", _MUTATION_PATH

    def default_accounts(self, owner: OwnerRef) -> frozenset[str]:
        """The account of the sync's own reconciler."""
        if owner.namespace == self._namespace:
            name = "root-reconciler" if owner.name == "root-sync" else f"root-reconciler-{owner.name}"
        elif owner.name == "repo-sync":
            name = f"ns-reconciler-{owner.namespace}"
        else:
            name = f"ns-reconciler-{owner.namespace}-{owner.name}-{len(owner.name)}"
        return frozenset((f"system:serviceaccount:{self._namespace}:{name}",))

    def remedy(self, owner: OwnerRef, source: Source) -> str:
        """Change Git and wait for the sync."""
        return f"Change it{git_place(source)}; Config Sync applies it: nomos status --namespace {owner.namespace}."


def _id_of(subject: Subject) -> str:
    """``<group>_<kind>_<namespace>_<name>``, the kind in lower case, without a namespace for a cluster-scoped object."""
    kind, namespace = subject.kind, subject.object_namespace
    return "_".join((kind.group, kind.kind.lower(), *((namespace,) if namespace else ()), subject.name))


def _fields(text: str) -> FieldsV1:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise UndecidedError(f"the annotation {DECLARED_FIELDS} is not readable") from None


def _names(fields: FieldsV1) -> bool:
    """Whether a set names the annotation that switches mutation off."""
    node: Any = fields
    for key in _MUTATION_PATH:
        node = node.get(key) if isinstance(node, dict) else None
    return node is not None
