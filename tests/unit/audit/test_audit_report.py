"""What a log amounts to: counted right, whoever asked, and with exemptions that are valid configuration."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.groups import MAX_GROUPS
from gateway.audit.record import Actor, Outcome, Request, Undecided
from gateway.audit.report import report_of
from gateway.audit.rows import Record
from gateway.cli.audit_report import merged, summary
from gateway.config.drift import Drift
from gateway.core.finding import Action, Finding, Resource

INJECTOR = "system:serviceaccount:mesh:injector"
SCALER = "system:serviceaccount:tools:scaler"


def finding(
    action=Action.DENY, *, would=msgspec.UNSET, field="spec.replicas", exception=None, rule="drift/owned-field"
):
    about = Resource("apps/v1", "Deployment", "web", "api")
    return Finding("f-1", rule, "high", action, "drift", about, field, "m", "do", exception=exception, would=would)


def record(user="alice", decision="allow", *findings, seq=1, doubts=(), **request):
    given = {"operation": "UPDATE", "group": "apps", "kind": "Deployment", "namespace": "web", "name": "api"} | request
    asked = Request(
        uid="u", version="v1", resource="deployments", actor=Actor(user),
        subresource=given.pop("subresource", ""), dry_run=given.pop("dry_run", False), **given,
    )  # fmt: skip
    time = f"2026-11-{seq % 28 + 1:02}T00:00:00.000000Z"
    return Record(1, seq, "i", time, "decision", "p", asked, Outcome(decision, (), doubts), findings)


SHADOW = finding(Action.AUDIT, would=Action.DENY)


def test_would_have_been_denied():
    """What was let through and would be denied is counted once a request, whoever made it; dry runs and exceptions are not."""
    made = report_of([
        record("alice", "allow", SHADOW, SHADOW),
        record(INJECTOR, "allow", SHADOW),
        record("bob", "deny", finding()),
        record("bob", "allow"),
        record("bob", "allow", SHADOW, dry_run=True),
        record("bob", "allow", finding(exception="waiver/x")),
        record("bob", "allow", finding(Action.WARN)),
        record("bob", "undecided"),
        record("bob", "allow", finding(Action.AUDIT)),
    ])  # fmt: skip
    totals = made.totals
    assert (totals.requests, totals.dry_runs, totals.denied, totals.undecided) == (8, 1, 1, 1)
    assert (totals.would_deny, totals.would_be_undecided, totals.by_people, totals.by_programs) == (2, 0, 3, 1)
    assert (totals.warned, totals.excepted, totals.programs) == (1, 1, {INJECTOR: 1})
    assert [(group.outcome, group.user, group.requests) for group in made.groups] == [
        ("would-deny", "alice", 1),
        ("denied", "bob", 1),
        ("would-deny", INJECTOR, 1),
    ]
    assert summary(made)[1].endswith("if everything were enforced: denied: 2, because undecided: 0")
    assert "of these 4, by people: 3, by programs: 1: " in summary(made)[2]


def test_one_request_counts_once_however_many_containers_it_changed():
    """And makes no proposal: the program did it once."""
    images = [finding(field=f"spec.template.spec.containers[name=c-{number}].image") for number in range(3)]
    (group,) = report_of([record(INJECTOR, "deny", *images)]).groups
    assert (group.field, group.requests) == ("spec.template.spec.containers[].image", 1)
    assert report_of([record(INJECTOR, "deny", *images)] * 2).proposals == []
    assert len(report_of([record(INJECTOR, "deny", *images)] * 3).proposals) == 1


FORBIDDEN = "govgate may not read what is scaled, machinedeployments.cluster.x-k8s.io"


def doubt(reason=FORBIDDEN, on_error="allow", would="deny", guard="drift"):
    return Undecided(guard, reason, on_error, would)


def test_what_could_not_be_decided_would_have_been_refused():
    """Where nothing is enforced, a doubt is told of as a finding is: counted, by guard, reason and user."""
    records = [
        record(SCALER, doubts=(doubt(f"{FORBIDDEN} [mode: audit]"),), subresource="scale", name=f"pool-{n}", seq=n)
        for n in range(5)
    ]
    made = report_of([*records, record("alice", doubts=(doubt("no reviews", "warn", msgspec.UNSET),))])
    totals = made.totals
    assert (totals.undecided, totals.would_be_undecided, totals.would_deny) == (0, 5, 0)
    assert (totals.by_programs, totals.programs) == (5, {SCALER: 5})
    (group,) = made.groups
    assert (group.outcome, group.guard, group.rule, group.reason) == ("would-be-undecided", "drift", "", FORBIDDEN)
    assert (group.user, group.requests, group.objects.more) == (SCALER, 5, True)
    assert summary(made)[1].endswith("if everything were enforced: denied: 0, because undecided: 5")
    (proposal,) = made.proposals
    assert FORBIDDEN in proposal.why
    assert "scaled what could not be looked up 5 times" in proposal.why
    assert merged(made, Drift())["drift"]["autoscalers"]["users"] == [*Drift().autoscalers.users, SCALER]


def test_what_was_refused_because_undecided_has_its_reasons():
    """Each of enforcement's doubts, with the object's own name left out, so that equal ones are counted together."""
    one = record("alice", "undecided", doubts=(doubt("cannot read web/a: no", "deny", msgspec.UNSET),), name="a")
    other = record("alice", "undecided", doubts=(doubt("cannot read web/b: no", "deny", msgspec.UNSET),), name="b")
    late = record("alice", "undecided", doubts=(doubt("the deadline passed", "deny", msgspec.UNSET, "policy"),))
    made = report_of([one, other, late])
    assert [(group.outcome, group.guard, group.reason, group.requests) for group in made.groups] == [
        ("undecided", "drift", "cannot read …: no", 2),
        ("undecided", "policy", "the deadline passed", 1),
    ]
    assert made.totals.by_people == 3
    assert made.proposals == []


def test_a_denial_goes_before_a_doubt():
    """A request that would be denied is not counted as undecided besides; both causes are listed."""
    made = report_of([record("alice", "allow", SHADOW, doubts=(doubt(),))])
    assert (made.totals.would_deny, made.totals.would_be_undecided, made.totals.by_people) == (1, 0, 1)
    assert {group.outcome for group in made.groups} == {"would-deny", "would-be-undecided"}


def test_records_that_are_no_decisions_do_not_count():
    """Keys, starts and losses say nothing of requests."""
    made = report_of([Record(1, 1, "i", "t", "start", "p")])
    assert summary(made) == ["no requests"]


def test_a_program_that_does_the_same_again_is_proposed():
    """With the fields and kinds that it changed, and no others; in the namespaces where it did, if they are few."""
    path = "spec.template.spec.containers[name=proxy].image"
    records = [record(INJECTOR, "deny", finding(field=path), name=f"d{n}", seq=n) for n in range(3)]
    records += [record(INJECTOR, "deny", finding(field="spec.paused"))]
    (proposal,) = report_of(records).proposals
    assert proposal.config == {
        "drift": {
            "writers": [
                {
                    "name": "injector-deployment",
                    "actors": {"users": [INJECTOR]},
                    "kinds": ["Deployment.apps"],
                    "fields": ["spec.template.spec.containers[].image"],
                    "namespaces": ["web"],
                }
            ]
        }
    }


def test_nobody_is_proposed_for_what_people_do():
    """A person's changes, deletions, creations and other guards' findings are no reason for an exemption."""
    several = range(5)
    for one in (
        lambda: record("alice", "deny", finding()),
        lambda: record(INJECTOR, "deny", finding(field=""), operation="DELETE"),
        lambda: record(INJECTOR, "deny", finding(field=""), operation="CREATE"),
    ):
        assert report_of([one() for _ in several]).proposals == []


def test_proposals_go_beside_what_is_configured():
    """A list in a configuration replaces the default: the autoscalers that are known stay."""
    records = [record(SCALER, "deny", finding(), subresource="scale") for _ in range(3)]
    part = merged(report_of(records), Drift())
    drift = msgspec.convert(part["drift"], Drift)
    assert drift.autoscalers.users == (*Drift().autoscalers.users, SCALER)
    assert drift.writers == ()
    assert merged(report_of([]), Drift()) == {}


FIELDS = ["spec.replicas", "spec.a[name=b].c", 'metadata.annotations["a/b"]', "data.key"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alice", INJECTOR, SCALER, "system:node:n"]),
            st.sampled_from(FIELDS),
            st.sampled_from(["", "scale"]),
            st.sampled_from(["web", "shop", "", "a", "b"]),
        ),
        max_size=60,
    )
)
def test_whatever_is_proposed_is_a_configuration(found):
    """And exempts no person."""
    records = [
        record(user, "allow", finding(Action.AUDIT, would=Action.DENY, field=field), subresource=sub, namespace=space)
        for user, field, sub, space in found
    ]
    made = report_of(records)
    part = merged(made, Drift())
    drift = msgspec.convert(part.get("drift", {}), Drift)
    users = [user for writer in drift.writers for user in writer.actors.users] + list(drift.autoscalers.users)
    assert all(user.startswith("system:") for user in users)
    assert made.totals.would_deny == len(found) == made.totals.by_people + made.totals.by_programs
    assert sum(group.requests for group in made.groups) == len(found)


def test_a_flood_of_names_is_bounded():
    """Groups beyond the bound are counted and not told apart."""
    records = (record(f"u{n}", "deny", finding(), seq=n) for n in range(MAX_GROUPS + 5))
    made = report_of(records)
    assert (len(made.groups), made.unlisted, made.totals.denied) == (MAX_GROUPS, 5, MAX_GROUPS + 5)


def asked(guards, decision="allow", *findings, second=0, doubts=(), **request):
    one = record("alice", decision, *findings, doubts=doubts, **request)
    verdict = msgspec.structs.replace(one.verdict, guards=guards)
    return msgspec.structs.replace(
        one, verdict=verdict, time=f"2026-11-01T00:{second // 60:02}:{second % 60:02}.000000Z"
    )


FIRST, SECOND = ("drift", "policy"), ("provenance",)


def test_a_request_that_two_webhooks_ask_about_counts_once():
    """Whatever each found, in any order, beside what asks again; with the gravest of the answers."""
    made = report_of([
        asked(FIRST, "allow", SHADOW),
        asked(SECOND, "allow", finding(Action.AUDIT, would=Action.DENY, rule="provenance/unsigned")),
        asked(SECOND, "undecided", second=5),
        asked(FIRST, "deny", finding(), second=5),
        asked(FIRST, "allow", SHADOW, second=6, name="other"),
    ])  # fmt: skip
    totals = made.totals
    assert (totals.requests, totals.denied, totals.undecided, totals.would_deny) == (3, 1, 0, 2)
    assert (totals.allowed, totals.by_people) == (2, 3)
    assert {(group.outcome, group.rule): group.requests for group in made.groups} == {
        ("would-deny", "drift/owned-field"): 2,
        ("would-deny", "provenance/unsigned"): 1,
        ("denied", "drift/owned-field"): 1,
    }
    assert (made.first, made.last) == ("2026-11-01T00:00:00.000000Z", "2026-11-01T00:00:06.000000Z")


@given(st.permutations([(user, number) for user in "ab" for number in range(3)]), st.integers(0, 40))
def test_requests_are_as_many_as_were_made(order, apart):
    """However decisions about several of them come in between one another, and however far apart the requests are."""
    records = [
        asked(guards, second=i * apart, name=user) for i, (user, _) in enumerate(order) for guards in (FIRST, SECOND)
    ]
    assert report_of(records).totals.requests == len(order)
    by_group = [asked(guards, name=user) for guards in (FIRST, SECOND) for user, _ in order]
    assert report_of(by_group).totals.requests == len(order)


def test_what_comes_late_or_is_about_something_else_is_another_request():
    """The same guards again, another object, longer than a webhook may take: none of them is the same request."""
    records = [
        asked(FIRST),
        asked(FIRST, second=1),
        asked(SECOND, second=40),
        asked(SECOND, second=41, operation="DELETE"),
    ]
    assert report_of(records).totals.requests == 4
