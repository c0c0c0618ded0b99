"""Configuration of the drift guard: which reconcilers are believed, who may act for them, and how strictly."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gateway.config.reconcilers import (
    Actors,
    ConfigSync,
    Crossplane,
    Fleet,
    HelmReleases,
    Kargo,
    Metal3,
    Mode,
    Pulumi,
    Section,
    TofuController,
)
from gateway.core.guard import OnError

__all__ = ["Actors", "ArgoCD", "Drift", "FluxHelmRelease", "FluxKustomization", "Mode", "NamespaceMode", "Operation"]
__all__ += ["Restart", "SyncWindows", "Window", "Writer"]

Operation = Literal["CREATE", "UPDATE", "DELETE"]

Known = Literal[
    "fluxKustomization",
    "fluxHelmRelease",
    "argoCD",
    "configSync",
    "crossplane",
    "fleet",
    "pulumi",
    "tofuController",
    "metal3",
    "helmReleases",
]
"""Sections of reconcilers."""


class FluxKustomization(Section, frozen=True):
    """Flux kustomize-controller. ``default_service_account`` is the controller's flag of that name."""

    mode: Mode | None = None
    actors: Actors = Actors(users=("system:serviceaccount:flux-system:kustomize-controller",))
    field_managers: tuple[str, ...] = ("kustomize-controller",)
    default_service_account: str = ""


class FluxHelmRelease(Section, frozen=True):
    """Flux helm-controller."""

    mode: Mode | None = None
    actors: Actors = Actors(users=("system:serviceaccount:flux-system:helm-controller",))
    field_managers: tuple[str, ...] = ("helm-controller",)
    default_service_account: str = ""


class SyncWindows(Section, frozen=True):
    """What the sync windows of Argo CD's projects mean here: ``mode`` holds while they deny an Application's syncs.

    None: nothing. ``unless_manual``: windows in which a person may still sync (``manualSync``) do not count.
    """

    mode: Mode | None = None
    unless_manual: bool = False


class ArgoCD(Section, frozen=True):
    """Argo CD. ``argocd-server`` acts for people through its UI and is not among the actors by default.

    ``tracking`` is Argo CD's ``application.resourceTrackingMethod``; ``installation_id`` its ``installationID``.
    """

    mode: Mode | None = None
    actors: Actors = Actors(users=("system:serviceaccount:argocd:argocd-application-controller",))
    field_managers: tuple[str, ...] = ("argocd-controller", "argocd-application-controller")
    namespace: str = "argocd"
    tracking: Literal["annotation", "label", "annotation+label"] = "annotation"
    instance_label: str = "app.kubernetes.io/instance"
    installation_id: str = ""
    sync_windows: SyncWindows = SyncWindows()


class NamespaceMode(Section, frozen=True):
    """The mode in namespaces that match one of the globs (``*`` and ``?``), whatever the reconciler. First match wins."""

    namespaces: tuple[str, ...]
    mode: Mode


class Window(Section, frozen=True):
    """A named time with a mode of its own: maintenance, or a freeze.

    ``schedule`` is a cron expression of five fields in ``time_zone``, each of whose times opens the window for
    ``duration_minutes``. ``namespaces`` are globs, of which ``*`` includes what is in no namespace; ``reconcilers``
    name sections of this configuration, none for all. With ``actors`` the mode holds for these alone.
    """

    name: str
    schedule: str
    duration_minutes: Annotated[int, Meta(ge=1, le=44_640)]
    mode: Mode
    time_zone: str = "UTC"
    namespaces: tuple[str, ...] = ("*",)
    reconcilers: tuple[Known, ...] = ()
    actors: Actors = Actors()


class Writer(Section, frozen=True):
    """Someone who may change certain fields of managed objects: an injector, a binder, a backup tool.

    ``fields`` are paths such as ``spec.conversion.webhook.clientConfig.caBundle``; each covers what is below it,
    and ``*`` alone covers the whole object. ``kinds`` are ``Kind`` or ``Kind.group``, ``*`` for all. ``requires``: a path that
    must exist in the object. DELETE and CREATE need ``*`` among the fields.
    """

    name: str
    actors: Actors
    kinds: tuple[str, ...] = ("*",)
    fields: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ("UPDATE",)
    namespaces: tuple[str, ...] = ("*",)
    requires: str = ""


class Restart(Section, frozen=True):
    """``kubectl rollout restart``: it writes an annotation that Git does not declare.

    With ``people: deny`` only ``actors`` may restart managed workloads (Argo CD's server, for its UI's button).
    """

    people: Literal["allow", "deny"] = "allow"
    actors: Actors = Actors()


class Drift(Section, frozen=True):
    """The drift guard.

    ``mode`` holds where neither the reconciler nor the namespace has one of its own; a namespace's goes before, and
    that of the first of the ``windows`` that is open before all.
    ``autoscalers`` may use ``/scale`` on managed workloads. ``writers`` are added to the built-in ones
    (docs/drift.md lists them). ``adoption``: whether another reconciler may take over a managed object.
    ``intent_annotations``: whose annotations that switch reconciling off on one object are believed: ``any``
    (as Flux does itself), or only those that are ``declared`` in Git. ``orphans``: what becomes of objects
    whose owner no longer exists in the cluster (``protect``, ``release``).
    """

    mode: Mode = "enforce"
    on_error: OnError = OnError.DENY
    flux_kustomization: FluxKustomization = FluxKustomization()
    flux_helm_release: FluxHelmRelease = FluxHelmRelease()
    argo_cd: ArgoCD = field(default=ArgoCD(), name="argoCD")
    config_sync: ConfigSync = ConfigSync()
    crossplane: Crossplane = Crossplane()
    fleet: Fleet = Fleet()
    pulumi: Pulumi = Pulumi()
    tofu_controller: TofuController = TofuController()
    metal3: Metal3 = Metal3()
    helm_releases: HelmReleases = HelmReleases()
    kargo: Kargo = Kargo()
    namespaces: tuple[NamespaceMode, ...] = ()
    windows: tuple[Window, ...] = ()
    autoscalers: Actors = Actors(
        users=(
            "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
            "system:serviceaccount:kube-system:cluster-autoscaler",
            "system:serviceaccount:keda:keda-operator",
        )
    )
    writers: tuple[Writer, ...] = ()
    restart: Restart = Restart()
    adoption: Literal["allow", "same-namespace", "deny"] = "same-namespace"
    intent_annotations: Literal["any", "declared"] = "any"
    orphans: Literal["protect", "release"] = "protect"
    max_depth: Annotated[int, Meta(ge=8, le=512)] = 100
