"""Flux: Kustomization (kustomize-controller) and HelmRelease (helm-controller).

Markers are labels. They propagate (a Service's labels are copied to its EndpointSlices), so the reconciler must also
own fields of the object, and no other object may control it, unless the reconciler owns the label itself: then Git
declares it, whoever adopted the object later.
Sources: fluxcd/pkg/ssa (owner labels, annotations), kustomize-controller and helm-controller API v1, v2.
"""

from __future__ import annotations

from gateway.config.drift import FluxHelmRelease, FluxKustomization
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.managed import Entry, by, has_controller, owns, string_map
from webhooks.drift.paths import ANNOTATIONS, LABELS, Path
from webhooks.drift.reconcilers.base import Defaults, git_place

_SSA_LEAVES_ALONE = {"ignore": ("UPDATE", "DELETE"), "ifnotpresent": ("UPDATE",)}


class Flux(Defaults):
    """Either of Flux's two reconcilers of workloads; they differ in a prefix and in names."""

    def __init__(self, config: FluxKustomization | FluxHelmRelease) -> None:
        kustomization = isinstance(config, FluxKustomization)
        self.id = "flux-kustomization" if kustomization else "flux-helmrelease"
        self.section = "fluxKustomization" if kustomization else "fluxHelmRelease"
        self.title = "Flux Kustomization" if kustomization else "Flux HelmRelease"
        self.mode = config.mode
        self.actors = config.actors
        self.managers = frozenset(config.field_managers)
        self._default_account = config.default_service_account
        self._command = "kustomization" if kustomization else "helmrelease"
        prefix = "kustomize" if kustomization else "helm"
        self._name = f"{prefix}.toolkit.fluxcd.io/name"
        self.marks = (self._name,)
        self._namespace = f"{prefix}.toolkit.fluxcd.io/namespace"
        self._off = (
            ("kustomize.toolkit.fluxcd.io/reconcile", "disabled")
            if kustomization
            else ("helm.toolkit.fluxcd.io/driftDetection", "disabled")
        )
        self._ssa = "kustomize.toolkit.fluxcd.io/ssa" if kustomization else ""

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By labels, confirmed by managedFields."""
        owner = self._labelled(obj)
        if owner is None:
            return None
        own = by(self.managers, listed)
        label = (*LABELS, f"f:{self._name}")
        if any(owns(entry, label) for entry in own) or (own and not has_controller(obj)):
            return owner
        return None

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By labels, on an object that nothing else controls (a controller copies its parent's labels)."""
        return None if has_controller(obj) else self._labelled(obj)

    def _labelled(self, obj: Json) -> OwnerRef | None:
        labels = string_map(obj, "labels")
        name, namespace = labels.get(self._name), labels.get(self._namespace)
        if not isinstance(name, str) or not isinstance(namespace, str) or not name or not namespace:
            return None
        return OwnerRef(self.id, namespace, name)

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """Both labels."""
        return ((*LABELS, f"f:{self._name}"), (*LABELS, f"f:{self._namespace}"))

    def switched_off(self, obj: Json, operation: str) -> tuple[str, Path] | None:
        """The ``reconcile: disabled`` and ``ssa`` annotations; values are compared as Flux does, ignoring case."""
        annotations = string_map(obj, "annotations")
        name, value = self._off
        if str(annotations.get(name, "")).casefold() == value:
            return f"{name}: {value}", (*ANNOTATIONS, f"f:{name}")
        ssa = str(annotations.get(self._ssa, "")) if self._ssa else ""
        if operation in _SSA_LEAVES_ALONE.get(ssa.casefold(), ()):
            return f"{self._ssa}: {ssa}", (*ANNOTATIONS, f"f:{self._ssa}")
        return None

    def default_accounts(self, owner: OwnerRef) -> frozenset[str]:
        """The controller's ``--default-service-account``, in the owner's namespace."""
        if not self._default_account:
            return frozenset()
        return frozenset((f"system:serviceaccount:{owner.namespace}:{self._default_account}",))

    def remedy(self, owner: OwnerRef, source: Source) -> str:
        """Change Git, or suspend."""
        return (
            f"Change it{git_place(source)}, then: flux reconcile {self._command} {owner.name} -n {owner.namespace} "
            f"--with-source. In an emergency: flux suspend {self._command} {owner.name} -n {owner.namespace}, "
            "and resume when Git agrees."
        )
