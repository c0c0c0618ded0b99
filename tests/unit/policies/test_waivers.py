"""Waivers: what they cover, when, and who may write what into one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from policies.waiver_rules import Writer, violations
from policies.waivers import Approval, Match, Spec, Waiver, apply_waivers, read_waiver, spec_digest

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WORDS = st.sampled_from(["a", "b", "api", "a[b]", "x.y"])


def a_finding(**changes: Any) -> Finding:
    about = Resource("apps/v1", "Deployment", changes.pop("namespace", "web"), changes.pop("name", "api"))
    rule, field = changes.pop("rule", "pod-security/privileged"), changes.pop("field", "spec.containers[name=app].x")
    return Finding(
        id=finding_id(rule, about, field), rule=rule, severity=Severity.HIGH, action=Action.DENY, guard="policy",
        resource=about, field=field, message="m", remedy="",
    )  # fmt: skip


def a_spec(**changes: Any) -> Spec:
    match = Match(
        changes.pop("kinds", ("apps/Deployment",)), changes.pop("names", ("api",)), changes.pop("fields", ("*",))
    )
    values = {
        "rules": ("pod-security/*",),
        "reason": "r",
        "ticket": "T-1",
        "requested_by": "ann",
        "expires": NOW + timedelta(days=1),
    }
    return Spec(match=match, **values | changes)


def a_waiver(spec: Spec | None = None, namespace: str = "web", approver: str = "bob") -> Waiver:
    spec = spec or a_spec()
    return Waiver(namespace, "w", spec, Approval(approver, spec_digest(spec)))


def test_a_waived_finding_is_kept_and_names_its_waiver() -> None:
    """It stays in the list, unchanged but for the exception."""
    found = a_finding()
    assert apply_waivers([found], [a_waiver()], NOW) == [msgspec.structs.replace(found, exception="policywaiver/web/w")]


@pytest.mark.parametrize(
    "waiver",
    [
        a_waiver(namespace="other"),
        a_waiver(namespace=""),
        a_waiver(a_spec(rules=("network/*",))),
        a_waiver(a_spec(kinds=("Deployment",))),
        a_waiver(a_spec(names=("ap",))),
        a_waiver(a_spec(fields=("spec.containers[name=other].x",))),
        a_waiver(a_spec(expires=NOW)),
        a_waiver(approver=""),
        msgspec.structs.replace(a_waiver(), spec=a_spec(rules=("*/*",))),
    ],
    ids=["namespace", "cluster", "rule", "kind", "name", "field", "expired", "unapproved", "changed since"],
)
def test_what_a_waiver_does_not_cover(waiver: Waiver) -> None:
    """Each part of a waiver narrows it, and only an approved one that has not expired counts."""
    assert apply_waivers([a_finding()], [waiver], NOW) == [a_finding()]


def test_brackets_are_no_character_class() -> None:
    """A field's path is matched as it is written."""
    exact = a_waiver(a_spec(fields=("spec.containers[name=app].x",)))
    assert exact.covers(a_finding())
    assert not exact.covers(a_finding(field="spec.containersn.x"))


@given(WORDS, WORDS, st.integers(-3, 3))
def test_nothing_but_the_exception_changes(name: str, pattern: str, days: int) -> None:
    """Whatever the waiver, the findings stay as many and as they were; expiry is exact."""
    found = a_finding(name=name)
    waiver = a_waiver(a_spec(names=(pattern,), expires=NOW + timedelta(days=days)))
    (after,) = apply_waivers([found], [waiver], NOW)
    assert msgspec.structs.replace(after, exception=None) == found
    assert (after.exception is not None) is (name == pattern and days > 0)


YEAR = timedelta(days=365)


def refused(
    old: Waiver | None, new: Waiver, *, user: str = "bob", request: bool = True, approve: bool = True
) -> list[str]:
    found = violations(old, new, Writer(user, request, approve), NOW, max_lifetime=YEAR)
    return [f"{one.field}: {one.text}" for one in found]


def test_who_may_approve() -> None:
    """Somebody else, in the own name, with the verb, and the spec as it stands."""
    asked = msgspec.structs.replace(a_waiver(), approval=Approval())
    assert refused(asked, a_waiver()) == []
    assert "another one's name" in refused(asked, a_waiver(approver="eve"))[0]
    assert "other than who asked" in refused(asked, a_waiver(approver="ann"), user="ann")[0]
    assert "may not approve" in refused(asked, a_waiver(), approve=False)[0]
    stale = Waiver("web", "w", asked.spec, Approval("bob", spec_digest(a_spec(reason="before"))))
    assert "changed meanwhile" in refused(asked, stale)[0]
    assert any("other than who asked" in text for text in refused(None, a_waiver()))


def test_who_may_ask() -> None:
    """Whoever holds the verb, in the own name; what applies Git states who wrote there."""
    asked = msgspec.structs.replace(a_waiver(), approval=Approval())
    assert refused(None, asked, user="ann") == []
    assert "verb request" in refused(None, asked, user="ann", request=False)[0]
    assert "whoever writes asks" in refused(None, asked, user="eve")[0]
    assert refused(None, asked, user="system:serviceaccount:flux-system:kustomize-controller") == []
    widened = msgspec.structs.replace(asked, spec=a_spec(rules=("rbac/*",)))
    assert "whoever writes asks" in refused(asked, widened, user="eve")[0]


def test_expiry_is_bounded() -> None:
    """Neither in the past nor for ever; an old waiver may still be touched without changing its spec."""
    assert "in the past" in refused(None, a_waiver(a_spec(expires=NOW), approver=""), user="ann")[0]
    later = NOW + timedelta(days=366)
    assert "at most 365 days" in refused(None, a_waiver(a_spec(expires=later), approver=""), user="ann")[0]
    over = a_waiver(a_spec(expires=NOW - timedelta(days=1)))
    assert refused(over, over) == []


@given(st.sampled_from(["ann", "bob", "eve"]), st.booleans(), st.booleans(), st.sampled_from(["ann", "bob", "eve"]))
def test_nobody_waives_alone(user: str, request: bool, approve: bool, approver: str) -> None:
    """Whatever is written by whom: a waiver that holds was approved by another one than who asked, with the verb."""
    asked = msgspec.structs.replace(a_waiver(), approval=Approval())
    written = a_waiver(approver=approver)
    if not refused(asked, written, user=user, request=request, approve=approve):
        assert approve
        assert approver == user != written.spec.requested_by


SPEC = {
    "rules": ["a/b"], "match": {"kinds": ["Pod"], "names": ["x"]}, "reason": "r", "ticket": "t", "requestedBy": "ann",
    "expires": "2027-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rules": ["*"]}, "name a rule"),
        ({"rules": []}, "length"),
        ({"reason": ""}, "length"),
        ({"ticket": None}, "ticket"),
        ({"expires": "soon"}, "expires"),
        ({"expires": "2027-01-01T00:00:00"}, "time zone"),
        ({"match": {"kinds": ["Pod"]}}, "names"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_no_waiver(change: dict[str, Any], problem: str) -> None:
    """A waiver that lacks a part, or is as wide as everything, is refused with what is wrong."""
    document = {"kind": "PolicyWaiver", "metadata": {"namespace": "web", "name": "w"}, "spec": SPEC | change}
    with pytest.raises(ConfigError, match=problem):
        read_waiver(document, source="file")
    fine = {"kind": "ClusterPolicyWaiver", "metadata": {"name": "w"}, "spec": SPEC}
    assert read_waiver(fine, source="file").state(NOW) == "unapproved"
    with pytest.raises(ConfigError, match=r"metadata\.namespace"):
        read_waiver({**fine, "kind": "PolicyWaiver"}, source="file")
