"""The table of built-in writers, stated a second time: a row that is lost blocks somebody's legitimate work."""

from __future__ import annotations

import pytest

from webhooks.drift.exempt import BUILT_IN_WRITERS

ROWS = {
    "pv-binder": (
        {"PersistentVolumeClaim", "PersistentVolume"},
        {
            "spec.volumeName",
            "spec.claimRef",
            'metadata.annotations["pv.kubernetes.io/bind-completed"]',
            'metadata.annotations["pv.kubernetes.io/bound-by-controller"]',
            'metadata.annotations["volume.kubernetes.io/storage-provisioner"]',
            'metadata.annotations["volume.beta.kubernetes.io/storage-provisioner"]',
        },
    ),
    "capm3": (
        {"BareMetalHost.metal3.io"},
        {
            "spec.image",
            "spec.customDeploy",
            "spec.userData",
            "spec.metaData",
            "spec.networkData",
            "spec.automatedCleaningMode",
            "spec.online",
            "spec.consumerRef",
            'metadata.labels["cluster.x-k8s.io/cluster-name"]',
        },
    ),
    "flagger": (
        {
            "Deployment.apps",
            "DaemonSet.apps",
            "Service",
            "HorizontalPodAutoscaler.autoscaling",
            "HTTPRoute.gateway.networking.k8s.io",
            "VirtualService.networking.istio.io",
            "DestinationRule.networking.istio.io",
        },
        {
            "spec.replicas",
            "spec.selector",
            "spec.minReplicas",
            "spec.maxReplicas",
            "spec.rules",
            "spec.http",
            "spec.trafficPolicy",
        },
    ),
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_a_writer_may_change(name: str) -> None:
    """The writer has these kinds and these fields, no fewer and no more."""
    (writer,) = (writer for writer in BUILT_IN_WRITERS if writer.name == name)
    assert (set(writer.kinds), set(writer.fields)) == ROWS[name]
