"""Argo CD: Applications and ApplicationSets with sources in registries.

Three forms: ``oci://`` (3.1 and newer); a Helm repository without a scheme, and a chart; a registry's host without a
scheme, and the path. Source: Argo CD's user guide, OCI and Helm.
"""

from __future__ import annotations

import re

import msgspec

from gateway.core.subject import Json
from gateway.provenance.oci.reference import is_tag
from gateway.provenance.versions import Versions
from webhooks.sources.fetch import ArgoRepository, Fetch, chart_reference, is_oci, items, pinned, ranged, section, text

GROUP = "argoproj.io"
_ENDED = frozenset(("Succeeded", "Failed", "Error"))
_WILD = re.compile(r"(?:\A|[v.-])[xX](?:\Z|[.-])")
_SCP = re.compile(r"[^/]*@[^/]*:")


def application(document: Json, _namespace: str) -> list[Fetch]:
    """What an Application's sources fetch, and what an operation in it does: its sources need not be those of the spec."""
    found = [
        *_sources(section(document, "spec"), "spec"),
        *_operation(document, "operation"),
        *(_under_way(document)),
    ]
    return _of_project(found, section(document, "spec"))


def application_set(document: Json, _namespace: str) -> list[Fetch]:
    """The same of its template. What is templated is known when the Applications are made, and judged there."""
    spec = section(document, "spec", "template", "spec")
    return [
        msgspec.structs.replace(found, later="it is templated: the Applications are judged")
        if _templated(found)
        else found
        for found in _of_project(_sources(spec, "spec.template.spec"), spec)
    ]


def _of_project(found: list[Fetch], spec: Json) -> list[Fetch]:
    project = text(spec.get("project"))
    return [
        msgspec.structs.replace(one, argo=msgspec.structs.replace(one.argo, project=project)) if one.argo else one
        for one in found
    ]


def _under_way(document: Json) -> list[Fetch]:
    """What an operation in the status fetches, which is no subresource: whoever may write an Application writes both.

    Argo CD resumes it at the revisions that it has resolved before, where those are there (``syncResult``).
    """
    state = section(document, "status", "operationState")
    if text(state.get("phase")) in _ENDED:
        return []
    path = "status.operationState"
    resumed = _operation(document, f"{path}.operation", section(state, "syncResult"), f"{path}.syncResult")
    return [*_operation(document, f"{path}.operation"), *resumed]


def _operation(document: Json, path: str, resolved: Json | None = None, resolved_at: str = "") -> list[Fetch]:
    """What a sync that somebody asks for fetches: its own sources, else those of the spec, at its own revisions.

    ``resolved``: what has revisions instead, and where it is; what it says nothing about is left out.
    """
    sync = section(document, *path.split("."), "sync")
    own = bool(section(sync, "source") or items(sync, "sources"))
    base, where = (sync, f"{path}.sync") if own else (section(document, "spec"), "spec")
    said, at_said = (sync, f"{path}.sync") if resolved is None else (resolved, resolved_at)
    revisions = said.get("revisions")
    given = [(section(base, "source"), f"{where}.source", said.get("revision"), f"{at_said}.revision")]
    for index, one in enumerate(items(base, "sources")):
        revision = revisions[index] if isinstance(revisions, list) and index < len(revisions) else ""
        given.append((one, f"{where}.sources[{index}]", revision, f"{at_said}.revisions[{index}]"))
    found: list[Fetch] = []
    for one, at, revision, field in given:
        if text(revision):
            found += _source({**one, "targetRevision": revision}, field)
        elif own and resolved is None:
            found += _source(one, f"{at}.targetRevision")
    return found


def _sources(spec: Json, path: str) -> list[Fetch]:
    listed = items(spec, "sources")
    if listed:
        given = [(one, f"{path}.sources[{index}]") for index, one in enumerate(listed)]
    else:
        given = [(section(spec, "source"), f"{path}.source")]
    return [found for one, at in given for found in _source(one, f"{at}.targetRevision")]


def _source(source: Json, field: str) -> list[Fetch]:
    url, revision, chart = (text(source.get(name)) for name in ("repoURL", "targetRevision", "chart"))
    if not url or ("://" in url and not is_oci(url)) or _SCP.match(url):
        return []
    argo = ArgoRepository(url)
    if chart:
        placed = _placed(chart_reference(f"{url.rstrip('/')}/{chart}", revision, "argocd-chart"), field)
        return [Fetch("chart", *placed, argo=argo)]
    if is_oci(url):
        if revision and not revision.startswith("sha256:") and _may_be_range(revision):
            return [Fetch("config", *_placed(ranged(url, revision, "argocd"), field), argo=argo)]
        reference, mutable = pinned(url, revision)
        return [Fetch("config", reference, field, mutable, argo=argo)]
    where = text(source.get("path")).strip("/")
    if not where or where == ".":
        return []
    placed = _placed(chart_reference(f"{url.rstrip('/')}/{where}", revision, "argocd-chart"), field)
    return [Fetch("chart", *placed, argo=argo)]


def _placed(of: tuple[str, str, Versions | None], field: str) -> tuple[str, str, str, Versions | None]:
    return of[0], field, of[1], of[2]


def _may_be_range(revision: str) -> bool:
    """Whether it could be one; if the repository has a tag of that name, that is what is meant."""
    return "@" not in revision and (not is_tag(revision) or _WILD.search(revision) is not None)


def _templated(found: Fetch) -> bool:
    return "{{" in found.reference or (found.versions is not None and "{{" in found.versions.text)
