"""Recorded requests judged again: what counts as a change, and what cannot be judged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.record import Actor, Bodies, Outcome, Request, Undecided
from gateway.audit.rows import Record
from gateway.core.finding import Action, Finding, Resource
from gateway.core.guard import Indeterminate, Judged, OnError
from gateway.core.subject import Subject
from gateway.core.verdict import combine
from webhooks.replay import MAX_CHANGES, Comparison, Said, recorded, said, subject_of

ALLOWED = Said("allow", False, frozenset())
DENIED = Said("deny", False, frozenset({("a/b", "deny")}))
WARNED = Said("allow", True, frozenset({("a/b", "warn")}))
OBJECT = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}'


def finding(action=Action.DENY, rule="a/b", exception=None):
    return Finding(
        "f", rule, "high", action, "policy", Resource("v1", "C", "n", "c"), "", "why", "", exception=exception
    )


def record(bodies=Bodies(), **request):  # noqa: B008 - it is frozen
    given = {"operation": "UPDATE", "uid": "u"} | request
    asked = Request(
        group="", version="v1", kind="ConfigMap", resource="configmaps", subresource="", namespace="n", name="c",
        dry_run=False, actor=Actor("alice", "1", ("g",)), **given,
    )  # fmt: skip
    return Record(1, 1, "i", "t", "decision", "p", asked, Outcome("allow", (), ()), (), bodies=bodies)


def asked(**request) -> Subject:
    found = subject_of(record(Bodies("sha256:1"), **request), {"object": OBJECT})
    assert isinstance(found, Subject)
    return found


def test_a_request_comes_back_as_it_was_asked():
    """Who, what and which bodies."""
    found = subject_of(record(Bodies("sha256:1", "sha256:2")), {"object": OBJECT, "oldObject": OBJECT})
    assert isinstance(found, Subject)
    assert (found.operation, found.kind.kind, found.namespace, found.name) == ("UPDATE", "ConfigMap", "n", "c")
    assert (found.user.username, found.user.groups) == ("alice", ("g",))
    assert found.raw_object == found.raw_old_object == OBJECT
    assert json.loads(found.raw_request)["userInfo"]["username"] == "alice"


@pytest.mark.parametrize(
    ("one", "bodies", "why"),
    [
        (record(), {}, "no bodies were kept"),
        (record(Bodies("sha256:1")), {}, "not kept any more"),
        (record(Bodies("sha256:1", "sha256:2")), {"object": OBJECT}, "not kept any more"),
        (record(Bodies("sha256:1")), {"object": b"[]"}, "holds no request"),
        (record(Bodies("sha256:1"), uid=""), {"object": OBJECT}, "holds no request"),
    ],
)
def test_what_cannot_be_judged_again_is_passed_over_by_its_reason(one, bodies, why):
    """Never judged by half of it."""
    found = subject_of(one, bodies)
    assert isinstance(found, str)
    assert why in found


def test_recorded_and_judged_say_the_same():
    """A verdict and its record are equal, so that what did not change is no change."""
    findings = (finding(), finding(Action.WARN, "c/d"), finding(rule="e/f", exception="waiver/x"))
    doubt = Indeterminate("drift", "why", OnError.WARN)
    verdict = combine([Judged("policy", "x", findings), doubt])
    outcome = Outcome(verdict.decision.value, verdict.reasons, (Undecided("drift", "why", "warn"),))
    assert said(verdict) == recorded(outcome, verdict.findings)
    assert said(verdict).rules == {("a/b", "deny"), ("c/d", "warn")}


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (ALLOWED, ALLOWED, (1, 0, 0, 0, 0)),
        (ALLOWED, DENIED, (0, 1, 1, 0, 0)),
        (DENIED, ALLOWED, (0, 1, 0, 1, 0)),
        (ALLOWED, WARNED, (0, 1, 0, 0, 1)),
        (WARNED, ALLOWED, (0, 1, 0, 0, 0)),
        (DENIED, Said("undecided", False, frozenset()), (0, 1, 0, 0, 0)),
        (ALLOWED, Said("undecided", False, frozenset()), (0, 1, 1, 0, 0)),
        (DENIED, Said("deny", False, frozenset({("c/d", "deny")})), (0, 1, 0, 0, 0)),
    ],
)
def test_what_counts_as_what(before, after, counts):
    """Refused is denied or undecided; another reason is a change too."""
    comparison = Comparison("r")
    comparison.add(asked(), before, after, ())
    made = comparison.result()
    assert (made.same, made.changed, made.newly_refused, made.newly_allowed, made.newly_warned) == counts


def test_alike_changes_are_one():
    """With how many there were, a few of the objects, the words of what is new, and how many hold digests."""
    comparison = Comparison("r")
    for number in range(5):
        secret = b'{"kind":"Secret","metadata":{"name":"s%d"},"data":{"a":"hmac-sha256:00"}}' % number
        found = subject_of(record(Bodies("sha256:1"), uid=str(number)), {"object": secret if number else OBJECT})
        assert isinstance(found, Subject)
        comparison.add(found, ALLOWED, DENIED, (finding(), finding(rule="other/rule")))
    (change,) = comparison.result().changes
    assert (change.requests, change.redacted, change.objects, change.messages) == (5, 4, ["n/c"], ["why"])
    assert (change.appeared, change.vanished) == (("a/b (deny)",), ())


@given(
    st.lists(
        st.tuples(st.sampled_from([ALLOWED, DENIED, WARNED]), st.sampled_from([ALLOWED, DENIED, WARNED])), max_size=30
    )
)
def test_every_request_is_counted_once(pairs):
    """As before, or in one of the changes."""
    comparison = Comparison("r")
    for before, after in pairs:
        comparison.add(asked(), before, after, ())
    made = comparison.result()
    assert made.judged == len(pairs) == made.same + made.changed
    assert made.changed == sum(change.requests for change in made.changes)


def test_a_flood_of_changes_is_bounded():
    """What is beyond is counted and not told apart."""
    comparison = Comparison("r")
    for number in range(MAX_CHANGES + 3):
        comparison.add(asked(), ALLOWED, Said("deny", False, frozenset({(f"a/{number}", "deny")})), ())
    made = comparison.result()
    assert (len(made.changes), made.unlisted, made.newly_refused) == (MAX_CHANGES, 3, MAX_CHANGES + 3)
