"""Kargo: promotions, written into Argo CD's Applications that authorize one of its stages.

A promotion sets the revision of a source, the images of its Kustomize options, and Helm parameters. The sources of an
Application are one list, compared whole: whether only that differs in it is looked at here.
Source: kargo ``pkg/promotion/runner/builtin/argocd_updater.go``.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.config.reconcilers import Kargo
from gateway.core.subject import Json, Subject
from webhooks.drift.equality import MISSING, same
from webhooks.drift.exempt import acts
from webhooks.drift.managed import string_map
from webhooks.drift.paths import Path
from webhooks.drift.violations import Rule, Violation

AUTHORIZED_STAGE = "kargo.akuity.io/authorized-stage"
_STAGE = re.compile(r"[^:*]+:[^*]+")
_LIMIT = 100
"""Sources that are looked at."""
_SOURCE: Path = ("f:spec", "f:source")
_SOURCES: Path = ("f:spec", "f:sources")
_REVISION: Path = ("f:targetRevision",)
_LISTS: tuple[Path, ...] = (("f:kustomize", "f:images"), ("f:helm", "f:parameters"))
_WHOLE: tuple[Path, ...] = (("f:kustomize",), ("f:helm",))


def without_promotions(found: list[Violation], subject: Subject, config: Kargo) -> list[Violation]:
    """The violations that are not part of a promotion by Kargo."""
    if not found or not _promotes(subject, config):
        return found
    return [violation for violation in found if not _is_promotion(violation)]


def _promotes(subject: Subject, config: Kargo) -> bool:
    """Whether this is Kargo, and an Application that authorized a stage before the request."""
    kind = subject.kind
    if subject.operation != "UPDATE" or (kind.group, kind.kind) != ("argoproj.io", "Application"):
        return False
    stage = string_map(subject.old_object, "annotations").get(AUTHORIZED_STAGE)
    return acts(config.actors, subject.user) and isinstance(stage, str) and bool(_STAGE.fullmatch(stage))


def _is_promotion(violation: Violation) -> bool:
    path, old, new = violation.path, violation.old, violation.new
    if violation.rule is not Rule.OWNED_FIELD or new is MISSING:
        return False
    if path == _SOURCES:
        return _same_sources(old, new)
    if path[:2] == _SOURCES:
        inside = path[3:]
    elif path[:2] == _SOURCE:
        inside = path[2:]
    else:
        return False
    if inside in _WHOLE:
        return _same_source({inside[0][2:]: old}, {inside[0][2:]: new})
    return inside == _REVISION or inside[:2] in _LISTS or (not inside and _same_source(old, new))


def _same_sources(old: Any, new: Any) -> bool:
    if not isinstance(old, list) or not isinstance(new, list) or len(old) != len(new) or len(old) > _LIMIT:
        return False
    return all(_same_source(before, after) for before, after in zip(old, new, strict=True))


def _same_source(old: Any, new: Any) -> bool:
    """Whether two sources differ at most in what a promotion sets."""
    return isinstance(old, dict) and isinstance(new, dict) and same(_bare(old), _bare(new))


def _bare(source: Json) -> Json:
    """The source without what a promotion sets."""
    bare = {name: value for name, value in source.items() if name != "targetRevision"}
    for section, name in (("kustomize", "images"), ("helm", "parameters")):
        options = bare.get(section, {})
        if isinstance(options, dict):
            bare[section] = {key: value for key, value in options.items() if key != name}
    return bare
