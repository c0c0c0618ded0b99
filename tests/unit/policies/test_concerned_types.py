"""Which types of objects have to be read for rules: never fewer than rules are about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.kyverno import classic, policies, validating

from gateway.config.policy import RuleSetting
from gateway.core.finding import Action, Severity
from gateway.core.subject import GroupVersionKind, Subject, created
from policies.builtin import kind_matches
from policies.gatekeeper.match import Candidate, Kinds, Match, matches
from policies.gatekeeper.rules import kinds_of
from policies.kyverno.command import Bounds
from policies.kyverno.judging import Kyverno
from policies.kyverno.policy import standing
from policies.rule import RuleInfo
from policies.settings import Settings

GROUPS, KINDS = ("", "apps", "batch"), ("Pod", "Deployment", "Job")
listed = st.none() | st.lists(st.sampled_from((*GROUPS, "*")), max_size=2).map(tuple)
named = st.none() | st.lists(st.sampled_from((*KINDS, "*")), max_size=2).map(tuple)
entries = st.lists(st.builds(Kinds, api_groups=listed, kinds=named), max_size=3).map(tuple)


@given(st.none() | entries, st.sampled_from(GROUPS), st.sampled_from(KINDS))
@example((Kinds(("",), ("*",)),), "apps", "Pod")
@example((Kinds(("",), ("*",)),), "", "Pod")
def test_the_kinds_of_a_constraint_are_those_that_it_matches(stated: Any, group: str, kind: str) -> None:
    """Exactly: what its match says of kinds, group by group."""
    match = Match(kinds=stated)
    document = {"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": {"name": "a"}}
    about = any(kind_matches(pattern, group, kind) for pattern in kinds_of(match))
    assert about == matches(match, Candidate((document,), None))


def test_a_constraint_without_kinds_is_about_all() -> None:
    """Whatever else it matches by."""
    assert kinds_of(None) == kinds_of(Match(namespaces=("web",))) == ("*",)


def sample(kind: str, plural: str, group: str = "") -> Subject:
    return created(b"{}", GroupVersionKind(group, "v1", kind), namespace="", name="", resource=plural)


@pytest.mark.parametrize(
    ("kind", "plural", "group", "about"),
    [("Pod", "pods", "", True), ("Deployment", "deployments", "apps", True), ("Secret", "secrets", "", False)],
)
def test_kyvernos_policies_of_a_namespace_are_about_types_too(kind: str, plural: str, group: str, about: bool) -> None:
    """Where an object is does not matter for its type; Pods stand for what makes them."""
    rule = '- name: r\n  match: {any: [{resources: {kinds: [Pod]}}]}\n  validate: {pattern: {kind: "?*"}}\n'
    for text in (
        classic(rule, kind="Policy", metadata="namespace: web\n"),
        validating("validations: [{expression: 'true'}]\n"),
    ):
        assert Kyverno(policies(text), "kyverno", "1.19.1", Bounds()).about(sample(kind, plural, group)) == about


def test_a_rule_that_is_off_everywhere_is_gone() -> None:
    """Off in some namespaces, or on again in one, it is not."""

    class Stated:
        def __init__(self, rule: str) -> None:

            self.info = RuleInfo(rule, rule, Severity.LOW, Action.WARN)

    def gone(*settings: RuleSetting) -> bool:
        return Settings(settings, [Stated("a/b")]).gone("a/b")

    off, there = RuleSetting(("a/*",), action="off"), RuleSetting(("a/b",), action="off", namespaces=("web",))
    assert gone(off)
    assert gone(off, there)
    assert not gone()
    assert not gone(there)
    assert not gone(off, RuleSetting(("a/b",), action="warn", namespaces=("web",)))


def test_policies_that_are_not_about_what_exists() -> None:
    """Kyverno's own words for it, in both of its forms; without them a policy is about what exists too."""
    rule = '- name: r\n  match: {any: [{resources: {kinds: [Pod]}}]}\n  validate: {pattern: {kind: "?*"}}\n'
    off = "evaluation: {background: {enabled: false}}\nvalidations: [{expression: 'true'}]\n"
    texts = (
        classic(rule, name="a", spec="background: false\n"),
        classic(rule, name="b", spec="background: true\n"),
        classic(rule, name="c"),
        validating(off, name="d"),
        validating("validations: [{expression: 'true'}]\n", name="e"),
    )
    assert [policy.key for policy in standing(policies(*texts)).policies] == ["b", "c", "e"]
