"""What is kept of Flux's own objects. Sources: kustomize-controller API v1, helm-controller API v2, source API v1."""

from __future__ import annotations

from gateway.core.subject import Json
from webhooks.drift.facts import ObjectKey, Owner, OwnerRef, Source
from webhooks.drift.managed import metadata
from webhooks.drift.reconcilers.records import (
    Record,
    flux_ignore,
    flux_inventory,
    objects,
    public_url,
    section,
    service_account,
    text,
)

_PLURALS = {
    "GitRepository": "gitrepositories",
    "OCIRepository": "ocirepositories",
    "Bucket": "buckets",
    "HelmRepository": "helmrepositories",
    "HelmChart": "helmcharts",
}


def kustomization(obj: Json) -> Record:
    """A Kustomization (``kustomize.toolkit.fluxcd.io/v1``)."""
    ref = _ref("flux-kustomization", obj)
    spec, status = section(obj, "spec"), section(obj, "status")
    source = Source(path=text(spec.get("path")), revision=text(status.get("lastAppliedRevision")))
    return Record(
        ref=ref,
        owner=Owner(
            accounts=service_account(ref.namespace, text(spec.get("serviceAccountName"))),
            paused="spec.suspend: true" if spec.get("suspend") is True else "",
            ignore=flux_ignore(spec.get("ignore")),
            source=source,
        ),
        inventory=_inventory(spec, status),
        needs=_source_of(section(spec, "sourceRef"), ref.namespace),
    )


def helm_release(obj: Json) -> Record:
    """A HelmRelease (``helm.toolkit.fluxcd.io/v2``). An absent ``driftDetection`` is no statement; ``disabled`` is."""
    ref = _ref("flux-helmrelease", obj)
    spec, status = section(obj, "spec"), section(obj, "status")
    chart, detection = section(spec, "chart", "spec"), section(spec, "driftDetection")
    mode = text(detection.get("mode"))
    paused = "spec.suspend: true" if spec.get("suspend") is True else ""
    newest = next(iter(objects(status.get("history"))), {})
    reference = section(spec, "chartRef") or section(chart, "sourceRef")
    return Record(
        ref=ref,
        owner=Owner(
            accounts=service_account(ref.namespace, text(spec.get("serviceAccountName"))),
            paused=paused or ("spec.driftDetection.mode: disabled" if mode == "disabled" else ""),
            lenient=mode == "warn",
            ignore=flux_ignore(detection.get("ignore")),
            source=Source(
                path=text(chart.get("chart")),
                revision=text(newest.get("chartVersion")) or text(chart.get("version")),
            ),
        ),
        inventory=_inventory(spec, status),
        needs=_source_of(reference, ref.namespace),
    )


def source_url(obj: Json) -> str:
    """Where a source (GitRepository, OCIRepository, HelmRepository) reads from, without credentials."""
    return public_url(text(section(obj, "spec").get("url")))


def _inventory(spec: Json, status: Json) -> tuple[ObjectKey, ...]:
    """What it lists in this cluster: with a kubeconfig, what it lists is elsewhere."""
    return () if spec.get("kubeConfig") else flux_inventory(status)


def _ref(reconciler: str, obj: Json) -> OwnerRef:
    meta = metadata(obj)
    return OwnerRef(reconciler, text(meta.get("namespace")), text(meta.get("name")))


def _source_of(reference: Json, namespace: str) -> tuple[str, str, str]:
    plural = _PLURALS.get(text(reference.get("kind")), "")
    return (plural, text(reference.get("namespace")) or namespace, text(reference.get("name")))
