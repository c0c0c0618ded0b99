"""Argo CD: Applications and ApplicationSets with sources in registries.

Three forms: ``oci://`` (3.1 and newer); a Helm repository without a scheme, and a chart; a registry's host without a
scheme, and the path. Source: Argo CD's user guide, OCI and Helm.
"""

from __future__ import annotations

import re

import msgspec

from gateway.core.subject import Json
from webhooks.sources.fetch import ArgoRepository, Fetch, chart_reference, is_oci, items, pinned, section, text

GROUP = "argoproj.io"
_ENDED = frozenset(("Succeeded", "Failed", "Error"))
_SCP = re.compile(r"[^/]*@[^/]*:")


def application(document: Json, _namespace: str) -> list[Fetch]:
    """What an Application's sources fetch, and what an operation in it does: its sources need not be those of the spec."""
    found = [
        *_sources(section(document, "spec"), "spec"),
        *_operation(document, "operation"),
        *(_operation(document, "status.operationState.operation") if _is_under_way(document) else ()),
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


def _is_under_way(document: Json) -> bool:
    return text(section(document, "status", "operationState").get("phase")) not in _ENDED


def _operation(document: Json, path: str) -> list[Fetch]:
    """What a sync that somebody asks for fetches: its own sources, else those of the spec, at its own revisions.

    Argo CD resumes one from the status, which is no subresource of an Application: whoever may write one writes both.
    """
    sync = section(document, *path.split("."), "sync")
    own = bool(section(sync, "source") or items(sync, "sources"))
    base, where = (sync, f"{path}.sync") if own else (section(document, "spec"), "spec")
    revisions = sync.get("revisions")
    given = [(section(base, "source"), f"{where}.source", sync.get("revision"), f"{path}.sync.revision")]
    for index, one in enumerate(items(base, "sources")):
        revision = revisions[index] if isinstance(revisions, list) and index < len(revisions) else ""
        given.append((one, f"{where}.sources[{index}]", revision, f"{path}.sync.revisions[{index}]"))
    found: list[Fetch] = []
    for one, at, revision, field in given:
        if text(revision):
            found += _source({**one, "targetRevision": revision}, field)
        elif own:
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
        reference, mutable, unresolvable = chart_reference(f"{url.rstrip('/')}/{chart}", revision)
        return [Fetch("chart", reference, field, mutable, unresolvable, argo=argo)]
    if is_oci(url):
        if revision and not revision.startswith("sha256:") and _is_range(revision):
            why = f"the range {revision} is resolved when it is fetched"
            return [Fetch("config", url.removeprefix("oci://"), field, unresolvable=why, argo=argo)]
        reference, mutable = pinned(url, revision)
        return [Fetch("config", reference, field, mutable, argo=argo)]
    where = text(source.get("path")).strip("/")
    if not where or where == ".":
        return []
    reference, mutable, unresolvable = chart_reference(f"{url.rstrip('/')}/{where}", revision)
    return [Fetch("chart", reference, field, mutable, unresolvable, argo=argo)]


def _is_range(revision: str) -> bool:
    return any(c in revision for c in "*<>=~^| ,") or revision.endswith(".x")


def _templated(found: Fetch) -> bool:
    return "{{" in found.reference or "{{" in found.unresolvable
