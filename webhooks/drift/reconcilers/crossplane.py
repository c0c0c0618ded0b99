"""Crossplane: what a composite composes, and the composite that a claim stands behind.

Labels alone prove nothing: a claim's are copied to its composite, a composite's claim labels to all that it composes,
and a composed Deployment's to its Pods. A composed object is controlled by the composite that its label names, and was
applied by Crossplane; a claimed composite refers to the claim that its labels name. A claim, and a composite without
one, belong to whoever wrote them.
Sources: crossplane ``internal/controller/apiextensions/composite/composition_functions.go``, ``composition_render.go``,
``claim/syncer_ssa.go``, ``internal/xcrd/crd.go``; crossplane-runtime ``pkg/meta``, ``apis/common/v1/policies.go``.
"""

from __future__ import annotations

from typing import Any

from gateway.config.reconcilers import Crossplane
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.managed import Entry, Managers, by, controller_of, string_map
from webhooks.drift.paths import ANNOTATIONS, LABELS, Path
from webhooks.drift.reconcilers.base import Defaults

COMPOSITE = "crossplane.io/composite"
CLAIM_NAME = "crossplane.io/claim-name"
CLAIM_NAMESPACE = "crossplane.io/claim-namespace"
RESOURCE_NAME = "crossplane.io/composition-resource-name"
PAUSED = "crossplane.io/paused"
_POLICIES: Path = ("f:spec", "f:managementPolicies")


class CrossplaneReconciler(Defaults):
    """Crossplane with compositions of functions, which apply server-side."""

    id = "crossplane"
    section = "crossplane"
    title = "Crossplane"
    marks = (COMPOSITE, CLAIM_NAME)

    def __init__(self, config: Crossplane) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.managers = Managers(config.field_managers)

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """The claim, or the composite that controls the object, confirmed by Crossplane's hand in managedFields."""
        owner = self._owner(obj)
        return owner if owner is not None and by(self.managers, listed) else None

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """In the same way; instead of managedFields, a composed object has the name that its composition knows it by."""
        owner = _claim(obj)
        if owner is None and string_map(obj, "annotations").get(RESOURCE_NAME):
            owner = self._composite(obj)
        return owner

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """The labels of composite and claim, and the annotation with the name in the composition."""
        labels = ((*LABELS, f"f:{name}") for name in (COMPOSITE, CLAIM_NAME, CLAIM_NAMESPACE))
        return (*labels, (*ANNOTATIONS, f"f:{RESOURCE_NAME}"))

    def switched_off(self, obj: Json, operation: str) -> tuple[str, Path] | None:  # noqa: ARG002 - the protocol's
        """``crossplane.io/paused``; management policies that pause, or that only observe."""
        if string_map(obj, "annotations").get(PAUSED) == "true":
            return f"{PAUSED}: true", (*ANNOTATIONS, f"f:{PAUSED}")
        spec = obj.get("spec")
        policies = spec.get("managementPolicies") if isinstance(spec, dict) else None
        if policies in ([], ["Observe"]):
            return f"spec.managementPolicies: {policies}", _POLICIES
        return None

    def remedy(self, owner: OwnerRef, source: Source) -> str:  # noqa: ARG002 - the protocol's
        """Change what it is composed from."""
        what, _, name = owner.name.partition("/")
        where = f" in namespace {owner.namespace}" if owner.namespace else ""
        return f"Change {what} {name}{where}, or its composition, in Git: Crossplane composes this object from it."

    def _owner(self, obj: Json) -> OwnerRef | None:
        labels = string_map(obj, "labels")
        if COMPOSITE not in labels and CLAIM_NAME not in labels:
            return None
        return _claim(obj) or self._composite(obj)

    def _composite(self, obj: Json) -> OwnerRef | None:
        reference, name = controller_of(obj), string_map(obj, "labels").get(COMPOSITE)
        group, slash, _ = _text(reference.get("apiVersion")).rpartition("/")
        # A composite is of a kind that somebody defined, never of one of Kubernetes' own (a Deployment's ReplicaSet).
        custom = slash and "." in group and not group.endswith(".k8s.io")
        if not name or not custom or reference.get("name") != name:
            return None
        return OwnerRef(self.id, "", f"{_text(reference.get('kind'))}/{name}")


def _claim(obj: Json) -> OwnerRef | None:
    labels, spec = string_map(obj, "labels"), obj.get("spec")
    claim = spec.get("claimRef") if isinstance(spec, dict) else None
    name, namespace = _text(labels.get(CLAIM_NAME)), _text(labels.get(CLAIM_NAMESPACE))
    if not isinstance(claim, dict) or not name or not namespace:
        return None
    if (claim.get("name"), claim.get("namespace")) != (name, namespace):
        return None
    return OwnerRef("crossplane", namespace, f"{_text(claim.get('kind'))}/{name}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
