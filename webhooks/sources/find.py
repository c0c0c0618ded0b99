"""Everything that an object will have fetched, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.core.subject import Json, Subject
from webhooks.sources import argocd, crossplane, flux
from webhooks.sources.fetch import Fetch, section
from webhooks.sources.matchers import Weakness, weaknesses
from webhooks.sources.workloads import PATHS, images

Reader = Callable[[Json, str], list[Fetch]]

_READERS: dict[tuple[str, str], Reader] = {
    (flux.SOURCES, "OCIRepository"): flux.oci_repository,
    (flux.SOURCES, "HelmChart"): flux.helm_chart,
    (flux.HELM, "HelmRelease"): flux.helm_release,
    (argocd.GROUP, "Application"): argocd.application,
    (argocd.GROUP, "ApplicationSet"): argocd.application_set,
    **{(crossplane.GROUP, kind): crossplane.package for kind in crossplane.KINDS},
}
_VERIFYING: dict[tuple[str, str], tuple[str, ...]] = {
    (flux.SOURCES, "OCIRepository"): ("spec",),
    (flux.SOURCES, "HelmChart"): ("spec",),
    (flux.HELM, "HelmRelease"): ("spec", "chart", "spec"),
}
"""Kinds that can verify by themselves, and where they say how."""

API_GROUPS = frozenset(group for group, _ in (*_READERS, *PATHS)) | {flux.SOURCES}
"""Of all kinds that have something fetched, or that say from where."""

_SUBRESOURCES = frozenset(("", "ephemeralcontainers", "resize"))


def concerned(subject: Subject) -> bool:
    """Whether an object of this kind has anything fetched, and something is written that decides what."""
    key = (subject.kind.group, subject.kind.kind)
    return (
        subject.operation in {"CREATE", "UPDATE"}
        and subject.subresource in _SUBRESOURCES
        and (key in _READERS or key in PATHS)
    )


def fetches(subject: Subject) -> list[Fetch]:
    """What the object will have fetched."""
    return _fetches(subject, subject.object)


def is_new(subject: Subject, fetched: Sequence[Fetch]) -> list[bool]:
    """For each, whether the object would not have had it fetched before this request."""
    if subject.operation != "UPDATE":
        return [True] * len(fetched)
    before = {_what(one) for one in _fetches(subject, subject.old_object)}
    return [_what(one) not in before for one in fetched]


def _what(one: Fetch) -> tuple[object, ...]:
    return one.kind, one.reference, one.through, one.versions


def own_verification(subject: Subject) -> list[Weakness] | None:
    """What is wrong with how the object verifies by itself; None for a kind that cannot, or a request that leaves it."""
    path = _VERIFYING.get((subject.kind.group, subject.kind.kind))
    if path is None:
        return None
    spec = section(subject.object, *path)
    if subject.operation == "UPDATE" and spec == section(subject.old_object, *path):
        return None
    return weaknesses(spec, ".".join(path))


def _fetches(subject: Subject, document: Json) -> list[Fetch]:
    key = (subject.kind.group, subject.kind.kind)
    if key in PATHS:
        return images(document, PATHS[key])
    return _READERS[key]({"kind": subject.kind.kind, **document}, subject.namespace)
