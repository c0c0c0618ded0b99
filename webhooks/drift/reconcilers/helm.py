"""Who installs by Helm: Rancher Fleet's agent, and people and CI with Helm itself.

Annotations are copied (a Deployment's to its ReplicaSets), so the installer must own fields of the object, too, and no
other object may control it, unless the installer owns the annotation itself.
Sources: helm ``pkg/action/validate.go``, ``pkg/kube/client.go``; fleet ``internal/helmdeployer/postrender.go``,
``labels.go``, ``internal/cmd/agent/deployer/applied``; wrangler ``pkg/apply/desiredset_apply.go``.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.config.reconcilers import Fleet, HelmReleases
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.managed import Entry, Managers, by, has_controller, owns, string_map
from webhooks.drift.paths import ANNOTATIONS, LABELS, Path
from webhooks.drift.reconcilers.base import Defaults, git_place

RELEASE_NAME = "meta.helm.sh/release-name"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
MANAGED_BY = "app.kubernetes.io/managed-by"
SET_ID = "objectset.rio.cattle.io/id"
SET_OWNER = "objectset.rio.cattle.io/owner-gvk"
SET_HASH = "objectset.rio.cattle.io/hash"
FLEET_NAMESPACE = "fleet.cattle.io/managed-by-namespace"
FLEET_NAME = "fleet.cattle.io/managed-by-name"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


class HelmReconciler(Defaults):
    """Releases that nobody but Helm manages: no proof of GitOps, so whoever runs Helm is to be named."""

    id = "helm-releases"
    section = "helmReleases"
    title = "Helm release"
    marks: tuple[str, ...] = (RELEASE_NAME,)
    last_resort = True
    """Flux and Fleet install with Helm's marks, too; and what was Helm's before Flux took it keeps Helm's entries."""

    def __init__(self, config: HelmReleases | Fleet) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.managers = Managers(config.field_managers)

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By the release's annotations, confirmed by managedFields."""
        owner = self._named(obj)
        if owner is None:
            return None
        own, mark = by(self.managers, listed), (*ANNOTATIONS, f"f:{self.marks[0]}")
        if any(owns(entry, mark) for entry in own) or (own and not has_controller(obj)):
            return owner
        return None

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By the same marks on an object that nothing else controls."""
        return None if has_controller(obj) else self._named(obj)

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """By which Helm knows its own."""
        names = (RELEASE_NAME, RELEASE_NAMESPACE)
        return (*((*ANNOTATIONS, f"f:{name}") for name in names), (*LABELS, f"f:{MANAGED_BY}"))

    def remedy(self, owner: OwnerRef, source: Source) -> str:  # noqa: ARG002 - the protocol's
        """Upgrade the release."""
        return (
            f"Change its values or its chart, then: helm upgrade {owner.name} -n {owner.namespace}, by who may do so."
        )

    def _named(self, obj: Json) -> OwnerRef | None:
        name, namespace = _release(obj)
        return OwnerRef(self.id, namespace, name) if name and namespace else None


class FleetReconciler(HelmReconciler):
    """Rancher Fleet's agent: it marks what its bundles install besides Helm's own marks.

    k3s and Rancher mark their objects in the same way, but name an owner there, and use no Helm.
    """

    id = "fleet"
    section = "fleet"
    title = "Rancher Fleet"
    marks: tuple[str, ...] = (SET_ID,)
    last_resort = False

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:
        """Helm's marks, the set's, and the labels that name the source."""
        labels = ((*LABELS, f"f:{name}") for name in (SET_HASH, FLEET_NAMESPACE, FLEET_NAME))
        return (*super().tracking(owner, obj), (*ANNOTATIONS, f"f:{SET_ID}"), *labels)

    def remedy(self, owner: OwnerRef, source: Source) -> str:
        """Change Git: the agent deploys it."""
        return f"Change it{git_place(source)}: Fleet deploys bundle {owner.name} again."

    def _named(self, obj: Json) -> OwnerRef | None:
        annotations, labels = string_map(obj, "annotations"), string_map(obj, "labels")
        bundle = _name(annotations.get(SET_ID))
        if not bundle or SET_OWNER in annotations or not labels.get(SET_HASH) or not all(_release(obj)):
            return None
        return OwnerRef(self.id, _name(labels.get(FLEET_NAMESPACE)), _name(labels.get(FLEET_NAME)) or bundle)


def _release(obj: Json) -> tuple[str, str]:
    """Name and namespace of the release whose marks are complete, else two empty texts."""
    if string_map(obj, "labels").get(MANAGED_BY) != "Helm":
        return "", ""
    annotations = string_map(obj, "annotations")
    return _name(annotations.get(RELEASE_NAME)), _name(annotations.get(RELEASE_NAMESPACE))


def _name(value: Any) -> str:
    """A name as Kubernetes allows it: people are shown it in a command to copy."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""
