"""Crossplane: what a composite composes, and the composite that a claim stands behind.

Labels alone prove nothing: a claim's are copied to its composite, a composite's claim labels to all that it composes,
and a composed Deployment's to its Pods. The label names the outermost composite, while the controller is the one that
composed the object, which differs where composites are nested: so that the label agrees, or Crossplane's hand itself states
the controller, which no copy does. A claimed composite refers to the claim that its labels name. A claim, and a composite
without one, belong to whoever wrote them.
Sources (1.x and 2.x): crossplane ``internal/controller/apiextensions/composite/composition_functions.go`` (applies server-side
under a name per composite), ``composition_render.go`` (labels, controller), ``api.go`` (APINamingConfigurator: who has the label
keeps it), ``claim/syncer_ssa.go``, ``internal/xcrd/crd.go``; crossplane-runtime ``pkg/meta``, ``apis/common/v1/policies.go``.
"""

from __future__ import annotations

from typing import Any

from gateway.config.reconcilers import Crossplane
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.managed import Entry, Managers, by, controller_of, entries, owns, reference_path, string_map
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
        own = by(self.managers, listed)
        return (_claim(obj) or self._composite(obj, own)) if own and _marked(obj) else None

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """In the same way, whoever's hand it is; a composed object has the name that its composition knows it by, too."""
        owner = _claim(obj)
        if owner is None and string_map(obj, "annotations").get(RESOURCE_NAME):
            owner = self._composite(obj, by(self.managers, entries(obj)))
        return owner

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """The labels of composite and claim, the annotation with the name in the composition, and the controller."""
        labels = ((*LABELS, f"f:{name}") for name in (COMPOSITE, CLAIM_NAME, CLAIM_NAMESPACE))
        controller = controller_of(obj)
        reference = (reference_path(controller),) if controller and _claim(obj) is None else ()
        return (*labels, (*ANNOTATIONS, f"f:{RESOURCE_NAME}"), *reference)

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

    def _composite(self, obj: Json, own: list[Entry]) -> OwnerRef | None:
        reference, label = controller_of(obj), string_map(obj, "labels").get(COMPOSITE)
        group, slash, _ = _text(reference.get("apiVersion")).rpartition("/")
        # A composite is of a kind that somebody defined, never of one of Kubernetes' own (a Deployment's ReplicaSet).
        custom = slash and "." in group and not group.endswith(".k8s.io")
        name = _text(reference.get("name"))
        if not label or not custom or not name:
            return None
        if name != label and not any(owns(entry, reference_path(reference)) for entry in own):
            return None
        return OwnerRef(self.id, "", f"{_text(reference.get('kind'))}/{name}")


def _marked(obj: Json) -> bool:
    labels = string_map(obj, "labels")
    return COMPOSITE in labels or CLAIM_NAME in labels


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
