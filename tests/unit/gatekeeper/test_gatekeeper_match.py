"""Which objects a constraint is about: the corners of spec.match that files alone do not reach."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.gatekeeper.match import Candidate, Match, MatchError, matches
from policies.gatekeeper.selectors import Requirement, Selector, glob, glob_generated

_POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "web", "labels": {"app": "a"}}}
_ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
_WEB = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "labels": {"team": "x"}}}


def _match(**stated: Any) -> Match:
    return msgspec.convert(stated, Match)


def _is_about(match: Match, *objects: dict[str, Any], namespace: dict[str, Any] | None = None) -> bool:
    return matches(match, Candidate(objects, namespace))


def test_no_match_matches() -> None:
    """Without spec.match a constraint is about everything, even about nothing at all."""
    assert matches(None, Candidate((), None))


def test_no_object_is_an_error() -> None:
    """With spec.match there must be an object."""
    with pytest.raises(MatchError, match="neither object nor old object"):
        _is_about(_match())


def test_old_object_counts() -> None:
    """An update that takes a label away is still about what the old object was."""
    selector = _match(labelSelector={"matchLabels": {"app": "a"}})
    bare = {**_POD, "metadata": {"name": "p", "namespace": "web"}}
    assert not _is_about(selector, bare)
    assert _is_about(selector, bare, _POD)


def test_unknown_namespace_is_an_error() -> None:
    """A namespace selector cannot be decided for an object whose namespace is not known."""
    selector = _match(namespaceSelector={"matchLabels": {"team": "x"}})
    with pytest.raises(MatchError, match="missing Namespace"):
        _is_about(selector, _POD)
    assert _is_about(selector, _POD, namespace=_WEB)


def test_unknown_namespace_does_not_matter_when_the_kind_differs() -> None:
    """What comes before the namespace selector may decide without it."""
    selector = _match(kinds=[{"kinds": ["Service"]}], namespaceSelector={"matchLabels": {"team": "x"}})
    assert not _is_about(selector, _POD)


def test_cluster_scoped_objects_meet_every_namespace_selector() -> None:
    """A namespace selector says nothing about an object in no namespace, but for a Namespace itself."""
    selector = _match(namespaceSelector={"matchLabels": {"team": "y"}})
    assert _is_about(selector, _ROLE)
    assert not _is_about(selector, _WEB)


def test_cluster_scoped_objects_are_in_every_list_of_namespaces() -> None:
    """Neither namespaces nor excludedNamespaces disqualify an object in no namespace; a Namespace counts by its name."""
    assert _is_about(_match(namespaces=["other"]), _ROLE)
    assert _is_about(_match(excludedNamespaces=["*"]), _ROLE)
    assert not _is_about(_match(excludedNamespaces=["we*"]), _WEB)
    assert _is_about(_match(namespaces=["web"]), _WEB)


@pytest.mark.parametrize(("scope", "pod", "role", "namespace"), [
    ("Cluster", False, True, True),
    ("Namespaced", True, False, False),
    ("*", True, True, True),
    ("namespaced", True, True, True),
])  # fmt: skip
def test_scope(scope: str, pod: bool, role: bool, namespace: bool) -> None:
    """A Namespace is of the cluster, whatever the request says; an unknown scope is no restriction."""
    match = _match(scope=scope)
    assert (_is_about(match, _POD), _is_about(match, _ROLE), _is_about(match, _WEB)) == (pod, role, namespace)
    assert _is_about(match, _WEB, namespace=_WEB) is namespace


def test_a_namespace_of_another_group_is_no_namespace() -> None:
    """Only the core group's Namespace is one."""
    other = {"apiVersion": "example.com/v1", "kind": "Namespace", "metadata": {"name": "web"}}
    assert _is_about(_match(namespaces=["elsewhere"]), other)


def test_generated_names_need_a_prefix() -> None:
    """Of names that are still to be generated only a prefix or a part is known."""
    unnamed = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "job-"}}
    assert _is_about(_match(name="jo*"), unnamed)
    assert not _is_about(_match(name="*b-"), unnamed)
    assert not _is_about(_match(name="job-"), unnamed)


def test_source() -> None:
    """An object that another implies is not an original one."""
    implied = Candidate((_POD,), None, "Generated")
    assert not matches(_match(source="Original"), implied)
    assert matches(_match(source="Generated"), implied)
    assert matches(_match(source="All"), implied)


def test_labels_that_are_no_strings_are_none() -> None:
    """Kubernetes reads no label of an object that has one which is no string."""
    odd = {**_POD, "metadata": {"labels": {"app": "a", "n": 1}}}
    assert not _is_about(_match(labelSelector={"matchLabels": {"app": "a"}}), odd)


@pytest.mark.parametrize(("requirement", "met", "missing"), [
    (Requirement("k", "In", ("v",)), True, False),
    (Requirement("k", "NotIn", ("v",)), False, True),
    (Requirement("k", "Exists"), True, False),
    (Requirement("k", "DoesNotExist"), False, True),
])  # fmt: skip
def test_requirements(requirement: Requirement, met: bool, missing: bool) -> None:
    """NotIn is met where there is no such label."""
    selector = Selector(match_expressions=(requirement,))
    assert (selector.matches({"k": "v"}), selector.matches({})) == (met, missing)


_names = st.text("ab-", min_size=0, max_size=5)


@given(_names, _names, _names)
def test_globs(before: str, middle: str, after: str) -> None:
    """A star in front leaves the beginning open, one at the end the end."""
    name = before + middle + after
    assert glob(f"*{middle}*", name)
    assert glob(f"*{after}", name)
    assert glob(f"{before}*", name)
    assert glob(name, name)
    assert glob_generated(f"{before}*", name)


@given(_names, _names)
def test_a_name_without_star_is_itself_only(pattern: str, name: str) -> None:
    """Without a star a pattern is a name."""
    assert glob(pattern, name) is (pattern == name)
