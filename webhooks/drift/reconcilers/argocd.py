"""Argo CD: Application.

The tracking id ``<app>:<group>/<Kind>:<namespace>/<name>`` must name the very object it stands on: a Deployment's
annotations are copied to its ReplicaSets. A cluster-scoped object carries the application's destination namespace there.
Source: argo-cd ``util/argo/resource_tracking.go`` (v3).
"""

from __future__ import annotations

import re

from gateway.config.drift import ArgoCD
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.managed import Entry, by, has_controller, metadata, owns, string_map
from webhooks.drift.paths import ANNOTATIONS, LABELS, Path
from webhooks.drift.reconcilers.base import Defaults, git_place

TRACKING_ID = "argocd.argoproj.io/tracking-id"
_APP = re.compile(r"[A-Za-z0-9._-]{1,512}")
INSTALLATION_ID = "argocd.argoproj.io/installation-id"


class Argo(Defaults):
    """Argo CD with one configuration of resource tracking."""

    id = "argocd"
    section = "argoCD"
    title = "Argo CD Application"
    client_side = True

    def __init__(self, config: ArgoCD) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.sync_windows = config.sync_windows
        self.managers = frozenset(config.field_managers)
        self.marks = (config.instance_label if config.tracking == "label" else TRACKING_ID,)
        self._config = config

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:
        """By tracking id; or by instance label, confirmed by managedFields, where Argo CD tracks by label."""
        if self._config.tracking != "label":
            return self._by_annotation(obj, subject)
        label = (*LABELS, f"f:{self._config.instance_label}")
        own = by(self.managers, listed)
        if any(owns(entry, label) for entry in own) or (own and not has_controller(obj)):
            return self._by_label(obj)
        return None

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:
        """By a tracking id that names the new object. A bare instance label is too common to be a claim."""
        return self._by_annotation(obj, subject) if self._config.tracking != "label" else None

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """The tracking id and installation id, the instance label where it is used."""
        paths: list[Path] = []
        if self._config.tracking != "label":
            paths += [(*ANNOTATIONS, f"f:{TRACKING_ID}"), (*ANNOTATIONS, f"f:{INSTALLATION_ID}")]
        if self._config.tracking != "annotation":
            paths.append((*LABELS, f"f:{self._config.instance_label}"))
        return tuple(paths)

    def remedy(self, owner: OwnerRef, source: Source) -> str:
        """Change Git and sync."""
        app = owner.name if owner.namespace == self._config.namespace else f"{owner.namespace}/{owner.name}"
        return f"Change it{git_place(source)}, then: argocd app sync {app}."

    def _by_annotation(self, obj: Json, subject: Subject) -> OwnerRef | None:
        annotations = string_map(obj, "annotations")
        app, what, place = _parts(annotations.get(TRACKING_ID))
        if not app or what != f"{subject.kind.group}/{subject.kind.kind}":
            return None
        expected = self._config.installation_id
        if expected and annotations.get(INSTALLATION_ID) != expected:
            return None
        namespace, _, name = place.partition("/")
        if subject.object_namespace and namespace != subject.object_namespace:
            return None
        if name not in _names(obj, subject):
            return None
        return self._owner(app)

    def _by_label(self, obj: Json) -> OwnerRef | None:
        app = string_map(obj, "labels").get(self._config.instance_label)
        return self._owner(app) if isinstance(app, str) and app else None

    def _owner(self, app: str) -> OwnerRef:
        """Applications outside Argo CD's own namespace are named ``<namespace>_<name>``."""
        namespace, found, name = app.partition("_")
        return OwnerRef(self.id, namespace, name) if found else OwnerRef(self.id, self._config.namespace, app)


def _parts(value: object) -> tuple[str, str, str]:
    parts = value.split(":", 2) if isinstance(value, str) else []
    # No Application can have another name, and people are shown it in a command to copy.
    readable = len(parts) == 3 and _APP.fullmatch(parts[0])  # noqa: PLR2004 - app, kind, object
    return (parts[0], parts[1], parts[2]) if readable else ("", "", "")


def _names(obj: Json, subject: Subject) -> set[str]:
    """Names that count as the object's own: with ``generateName`` the id was written before the name was."""
    found = {subject.name}
    prefix = metadata(obj).get("generateName")
    if isinstance(prefix, str) and prefix:
        found |= {"", prefix}
    return found
