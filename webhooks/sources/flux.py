"""Flux: OCIRepository, and charts from registries. Source: the source and helm controllers' APIs, v1 and before."""

from __future__ import annotations

import re

import msgspec

from gateway.core.subject import Json
from webhooks.sources.fetch import (
    Fetch,
    Repository,
    chart_reference,
    is_oci,
    pinned,
    ranged,
    reference_of,
    section,
    text,
)

SOURCES = "source.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"


RECONCILED = "status.artifact.revision"
_REVISION = re.compile(r"(?:.*@)?(sha256:[0-9a-f]{64})\Z")


def oci_repository(document: Json, _namespace: str) -> list[Fetch]:
    """What an OCIRepository fetches; and what it has fetched, where it says so: in a request to make or change it, its
    status says nothing new.
    """
    found = _specified(document)
    revision = _REVISION.match(text(section(document, "status", "artifact").get("revision")))
    if found and revision is not None:
        url = text(section(document, "spec").get("url"))
        fetched = msgspec.structs.replace(found[0], field=RECONCILED, mutable="", versions=None)
        found.append(msgspec.structs.replace(fetched, reference=pinned(url, revision[1])[0]))
    spec = section(document, "spec")
    secret = reference_of(spec, "secretRef")
    by_account = text(spec.get("provider")) in {"", "generic"}
    return [
        msgspec.structs.replace(
            one,
            secrets=(secret,) if secret else (),
            account=text(spec.get("serviceAccountName")) if by_account else "",
            certificates=reference_of(spec, "certSecretRef"),
        )
        for one in found
    ]


def _specified(document: Json) -> list[Fetch]:
    """Its digest, else a range of versions, else a tag."""
    spec = section(document, "spec")
    url, reference = text(spec.get("url")), section(spec, "ref")
    if not is_oci(url):
        return []
    digest, semver = text(reference.get("digest")), text(reference.get("semver"))
    if digest:
        return [Fetch("config", pinned(url, digest)[0], "spec.ref.digest")]
    if semver:
        of = ranged(url, semver, "flux", text(reference.get("semverFilter")))
        return [Fetch("config", of[0], "spec.ref.semver", *of[1:])]
    found, mutable = pinned(url, text(reference.get("tag")))
    field = "spec.ref.tag" if reference.get("tag") else "spec.ref"
    return [Fetch("config", found, field, mutable)]


def helm_chart(document: Json, namespace: str) -> list[Fetch]:
    """What a HelmChart fetches through its HelmRepository."""
    return _chart(section(document, "spec"), "spec", namespace)


def helm_release(document: Json, namespace: str) -> list[Fetch]:
    """What a HelmRelease fetches through a HelmRepository. With ``chartRef`` it is another object that fetches."""
    template = section(document, "spec", "chart", "spec")
    return _chart(template, "spec.chart.spec", namespace) if template else []


def _chart(spec: Json, path: str, namespace: str) -> list[Fetch]:
    source = section(spec, "sourceRef")
    name = text(source.get("name"))
    if source.get("kind") != "HelmRepository" or not name:
        return []
    through = Repository(text(source.get("namespace")) or namespace, name)
    version = text(spec.get("version")) or "*"
    reference, mutable, versions = chart_reference(text(spec.get("chart")), version, "flux-chart")
    field = f"{path}.version"
    return [Fetch("chart", reference, field, mutable, versions, through=through)]
