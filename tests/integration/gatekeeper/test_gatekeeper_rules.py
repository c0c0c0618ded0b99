"""Constraints as rules of the policy guard, in the engine that all rules run in."""

from __future__ import annotations

import msgspec
import pytest
from support.gatekeeper import HEAD, Doc, constraint, template, thing

from gateway.core.finding import Action
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from gateway.native.rego import Value, compile_rules
from policies.gatekeeper.compile import read_policies
from policies.gatekeeper.rules import rules_of
from policies.rule import Asked

pytestmark = pytest.mark.native

_TEMPLATE = template(HEAD + 'violation[{"msg": m}] { m := sprintf("%v", [input.parameters.a]) }')
_POD = thing()


def _asked(document: Doc, operation: str = "CREATE", namespace: Doc | None = None) -> Asked:
    raw = msgspec.json.encode(document)
    subject = Subject(
        uid="u",
        operation=operation,
        kind=GroupVersionKind("", "v1", document["kind"]),
        resource=GroupVersionResource("", "v1", "pods"),
        user=UserInfo(),
        namespace=document["metadata"].get("namespace", ""),
        name=document["metadata"]["name"],
        raw_object=b"" if operation == "DELETE" else raw,
        raw_old_object=raw if operation == "DELETE" else b"",
    )
    return Asked(subject, namespace)


def test_violations_become_findings() -> None:
    """A rule has the constraint's id and action, and its violations are findings about the object."""
    policies = read_policies([_TEMPLATE], [constraint(parameters={"a": "A"}, enforcementAction="warn")])
    compiled, [rule] = rules_of(policies)
    loaded = compile_rules(compiled.modules, [rule.query], data=msgspec.json.encode(compiled.data))
    [[answer]] = loaded.evaluate([msgspec.json.encode({"review": {"object": _POD}})], timeout_seconds=5)
    loaded.close()
    assert isinstance(answer, Value)
    [found] = rule.read(msgspec.json.decode(answer.value), _asked(_POD))
    assert (found.rule, found.action, found.message) == ("gatekeeper/Checked/one", Action.WARN, "A")


def test_actions_that_enforce_nothing_make_no_rule() -> None:
    """dryrun is recorded only; an action that nobody knows is no rule, as it is nothing in Gatekeeper."""
    documents = [constraint("a", enforcementAction="dryrun"), constraint("b", enforcementAction="other")]
    _, [rule] = rules_of(read_policies([_TEMPLATE], documents))
    assert (rule.info.id, rule.info.action) == ("gatekeeper/Checked/a", Action.AUDIT)


def test_an_unknown_namespace_is_undecided() -> None:
    """Where Gatekeeper would reject for want of the namespace, it is said that nothing could be decided."""
    match = {"namespaceSelector": {"matchLabels": {"a": "b"}}}
    _, [rule] = rules_of(read_policies([_TEMPLATE], [constraint(match=match)]))
    unknown = rule.applies(_asked(_POD))
    assert not unknown.yes
    assert "missing Namespace" in unknown.undecided
    known = thing("Namespace", "web", None, labels={"a": "b"})
    assert rule.applies(_asked(_POD, namespace=known)).yes


def test_a_deleted_object_is_matched() -> None:
    """On DELETE a constraint is about the old object."""
    _, [rule] = rules_of(read_policies([_TEMPLATE], [constraint()]))
    assert rule.applies(_asked(_POD, "DELETE")).yes
    assert not rule.applies(_asked(thing("Service"), "DELETE")).yes
