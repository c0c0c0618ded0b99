"""Which objects a Constraint is about: ``spec.match``, decided as Gatekeeper decides it. Pure.

Source: gatekeeper's pkg/mutation/match and pkg/target/matcher.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.subject import Json
from policies.gatekeeper.selectors import Selector, glob, glob_generated

Source = Literal["Original", "Generated", "All"]
"""Where an object comes from: a request, or the expansion of one."""


class MatchError(GovgateError):
    """It cannot be told whether a constraint is about an object: Gatekeeper then rejects it."""


class Kinds(msgspec.Struct, frozen=True, rename="camel"):
    """Groups and kinds; none stated, or ``*`` among them, means all."""

    api_groups: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None


class Match(msgspec.Struct, frozen=True, rename="camel", dict=True):
    """``spec.match``; what is not stated matches everything."""

    source: str | None = None
    kinds: tuple[Kinds, ...] | None = None
    scope: str | None = None
    namespaces: tuple[str, ...] | None = None
    excluded_namespaces: tuple[str, ...] | None = None
    label_selector: Selector | None = None
    namespace_selector: Selector | None = None
    name: str | None = None

    @cached_property
    def deciders(self) -> tuple[Decider, ...]:
        """What has to be asked of an object, in Gatekeeper's order."""
        return tuple(decide for field, decide in _DECIDERS.items() if getattr(self, field))

    @property
    def by_kind_alone(self) -> bool:
        """Whether nothing but the kind of an object is asked."""
        return all(decide is _kinds for decide in self.deciders)


class Candidate(msgspec.Struct, frozen=True, dict=True):
    """What is to be matched, by many constraints.

    ``objects``: the object and the old object, those that there are. ``namespace``: the Namespace object that they are
    in, None if it is not known, or if they are in none.
    """

    objects: tuple[Json, ...]
    namespace: Json | None
    source: Source = "Original"

    @cached_property
    def facts(self) -> tuple[_Facts, ...]:
        """What the matchers read of each object."""
        return tuple(_Facts(document, self) for document in self.objects)


def matches(match: Match | None, candidate: Candidate) -> bool:
    """Whether the constraint is about the object or the old object.

    Raises:
        MatchError: that cannot be told, for example because the namespace is not known.
    """
    if match is None:
        return True
    if not candidate.objects:
        raise MatchError("invalid request object: neither object nor old object are defined")
    for facts in candidate.facts:
        try:
            if all(decide(match, facts) for decide in match.deciders):
                return True
        except MatchError as error:
            raise MatchError(
                f"error matching the requested object: {facts.name} :failed to run Match criteria: {error}"
            ) from None
    return False


class _Facts:
    """What the matchers read of one object."""

    def __init__(self, document: Json, candidate: Candidate) -> None:
        metadata = document.get("metadata")
        self._metadata: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
        group, _, _ = _text(document.get("apiVersion")).rpartition("/")
        self.group = group
        self.kind = _text(document.get("kind"))
        self.name = _text(self._metadata.get("name"))
        self.generate_name = _text(self._metadata.get("generateName"))
        self.own_namespace = _text(self._metadata.get("namespace"))
        self.labels = labels_of(document)
        self.namespace = candidate.namespace
        self.source = candidate.source
        self.is_namespace = self.kind == "Namespace" and not group

    @property
    def has_namespace(self) -> bool:
        return bool(self.own_namespace) or self.namespace is not None

    @property
    def namespace_name(self) -> str | None:
        """The namespace that lists are compared with; a Namespace counts as in itself. None for a cluster's object."""
        if self.is_namespace:
            return self.name
        if self.namespace is not None:
            metadata = self.namespace.get("metadata")
            return _text(metadata.get("name")) if isinstance(metadata, dict) else ""
        return self.own_namespace or None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def labels_of(document: Json) -> Mapping[str, str]:
    """The labels of an object. As in Kubernetes, one that is no string makes it have none."""
    metadata = document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return {}
    return labels


def _kinds(match: Match, facts: _Facts) -> bool:
    return not match.kinds or any(
        _among(one.kinds, facts.kind) and _among(one.api_groups, facts.group) for one in match.kinds
    )


def _among(listed: tuple[str, ...] | None, value: str) -> bool:
    return not listed or "*" in listed or value in listed


def _scope(match: Match, facts: _Facts) -> bool:
    if match.scope == "Cluster":
        return facts.is_namespace or not facts.has_namespace
    if match.scope == "Namespaced":
        return not facts.is_namespace and facts.has_namespace
    return True


def _namespaces(match: Match, facts: _Facts) -> bool:
    name = facts.namespace_name
    return not match.namespaces or name is None or any(glob(pattern, name) for pattern in match.namespaces)


def _excluded_namespaces(match: Match, facts: _Facts) -> bool:
    name = facts.namespace_name
    excluded = match.excluded_namespaces
    return not excluded or name is None or not any(glob(pattern, name) for pattern in excluded)


def _label_selector(match: Match, facts: _Facts) -> bool:
    return match.label_selector is None or match.label_selector.matches(facts.labels)


def _namespace_selector(match: Match, facts: _Facts) -> bool:
    selector = match.namespace_selector
    if selector is None or not (facts.is_namespace or facts.has_namespace):
        return True
    if facts.is_namespace:
        return selector.matches(facts.labels)
    if facts.namespace is None:
        raise MatchError("namespace selector for namespace-scoped object but missing Namespace")
    return selector.matches(labels_of(facts.namespace))


def _names(match: Match, facts: _Facts) -> bool:
    return not match.name or glob(match.name, facts.name) or glob_generated(match.name, facts.generate_name)


def _source(match: Match, facts: _Facts) -> bool:
    return match.source in (None, "", "All", facts.source)


Decider = Callable[[Match, _Facts], bool]
_DECIDERS: dict[str, Decider] = {
    "kinds": _kinds,
    "scope": _scope,
    "namespaces": _namespaces,
    "excluded_namespaces": _excluded_namespaces,
    "label_selector": _label_selector,
    "namespace_selector": _namespace_selector,
    "name": _names,
    "source": _source,
}
"""By the field that asks."""
