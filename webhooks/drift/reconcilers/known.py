"""Every reconciler that the guard knows, as the configuration wants them."""

from __future__ import annotations

from gateway.config.drift import Drift
from webhooks.drift.reconcilers.argocd import Argo
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.reconcilers.config_sync import ConfigSyncReconciler
from webhooks.drift.reconcilers.crossplane import CrossplaneReconciler
from webhooks.drift.reconcilers.flux import Flux
from webhooks.drift.reconcilers.helm import FleetReconciler, HelmReconciler
from webhooks.drift.reconcilers.metal3 import Metal3Reconciler
from webhooks.drift.reconcilers.pulumi import PulumiReconciler
from webhooks.drift.reconcilers.tofu import TofuReconciler


def reconcilers(config: Drift) -> tuple[Reconciler, ...]:
    """Those that are looked at, in the order in which owners are named. One that is disabled is looked at nowhere."""
    known: tuple[Reconciler, ...] = (
        Flux(config.flux_kustomization),
        Flux(config.flux_helm_release),
        Argo(config.argo_cd),
        ConfigSyncReconciler(config.config_sync),
        CrossplaneReconciler(config.crossplane),
        FleetReconciler(config.fleet),
        PulumiReconciler(config.pulumi),
        TofuReconciler(config.tofu_controller),
        Metal3Reconciler(config.metal3),
        HelmReconciler(config.helm_releases),
    )
    return tuple(reconciler for reconciler in known if reconciler.mode != "disabled")
