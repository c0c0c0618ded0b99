"""Certificates, replicas, clocks and the API server's audit log, as facts; and the report that is made of all."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ci.report import REPORTERS
from gateway.core.certificates import make_authority, make_server
from gateway.core.errors import GovgateError
from gateway.core.finding import Action, Resource
from gateway.doctor.certificates import Shown, check_ends, check_trust
from gateway.doctor.clocks import ahead_of, check_replicas
from gateway.doctor.examine import Report
from gateway.doctor.failed_open import MAX_LINE_BYTES, check_failed_open, read_audit_log
from gateway.doctor.replicas import Told, check_clock, check_rules
from gateway.doctor.rules import RULES, found, undecided
from gateway.doctor.run import run_of

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
AUTHORITY = make_authority("ours", days=400, now=NOW)
STRANGER = make_authority("theirs", days=400, now=NOW)
ABOUT = Resource("v1", "Secret", "govgate-system", "govgate-tls")


def shown(days: float = 90, *, signed_by: Any = AUTHORITY, name: str = "govgate.govgate-system.svc") -> Shown:
    pair = make_server(signed_by, [name], days=days, now=NOW)
    return Shown(ABOUT, "the certificate", pair.certificate_pem, served=True)


def asking(*authorities: Any, name: str = "govgate") -> dict[str, Any]:
    pem = b"".join(one.certificate_pem for one in authorities)
    client = {"service": {"name": name, "namespace": "govgate-system"}, "caBundle": base64.b64encode(pem).decode()}
    return {"metadata": {"name": "govgate"}, "webhooks": [{"name": "validate.govgate.dev", "clientConfig": client}]}


def rules(results: Any) -> list[str]:
    return [one.rule.removeprefix("doctor/") for one in results]


@pytest.mark.parametrize(
    ("days", "after", "expected"),
    [(90, 0, []), (90, 82.9, []), (90, 83.1, ["certificate-expires"]), (90, 91, ["certificate-expired"])],
)
def test_a_certificate_that_ends(days, after, expected):
    """Within a week it is told of; afterwards it has to be put right; one of the future too."""
    assert rules(check_ends([shown(days)], NOW + dt.timedelta(days=after))) == expected
    assert rules(check_ends([shown(days)], NOW - dt.timedelta(days=1))) == ["certificate-expired"]
    assert rules(check_ends([Shown(ABOUT, "it", b"junk", served=True)], NOW)) == ["certificate-expired"]


def test_old_authorities_may_end():
    """Of those that are believed the last one counts; of a chain that is served, the first end."""
    short = make_authority("old", days=1, now=NOW)
    both = short.certificate_pem + AUTHORITY.certificate_pem
    later = NOW + dt.timedelta(days=3)
    assert check_ends([Shown(ABOUT, "the authorities", both)], later) == []
    assert rules(check_ends([Shown(ABOUT, "the chain", both, served=True)], later)) == ["certificate-expired"]


@pytest.mark.parametrize(
    ("registered", "served", "says"),
    [
        (asking(AUTHORITY), shown(), ""),
        (asking(STRANGER, AUTHORITY), shown(), ""),
        (asking(STRANGER), shown(), "not signed by an authority"),
        (asking(AUTHORITY), shown(signed_by=STRANGER), "not signed by an authority"),
        (asking(AUTHORITY, name="gg"), shown(), "is not for gg.govgate-system.svc"),
        (asking(), shown(), "caBundle is empty"),
    ],
)
def test_whether_what_is_served_is_believed(registered, served, says):
    """By the authority and by the name that the API server asks for."""
    messages = [one.message for one in check_trust(registered, [served])]
    assert bool(messages) == bool(says)
    assert all(says in message for message in messages)


def test_a_bundle_that_is_none():
    """Not base64, or no PEM; and with nothing served nothing can be said of a good one."""
    broken = asking(AUTHORITY)
    broken["webhooks"][0]["clientConfig"]["caBundle"] = "%%"
    (one,) = check_trust(broken, [shown()])
    assert "holds no certificate in PEM" in getattr(one, "message", "")
    (one,) = check_trust(asking(AUTHORITY), [])
    assert "could be read" in getattr(one, "reason", "")


def told(*digests: str, version: str = "1") -> Told:
    return Told(version, {str(n): digest for n, digest in enumerate(digests)})


def test_replicas_that_judge_alike():
    """Nothing is told; no replica is no finding of theirs."""
    assert check_rules({("a", "x"): told("sha256:1", "sha256:1"), ("a", "y"): told("sha256:1")}) == []
    assert check_rules({}) == []


def test_replicas_that_differ_and_those_that_are_silent():
    """The one that differs from most is named, with its worker; who tells nothing, and a worker that is not ready, too."""
    results = check_rules(
        {
            ("a", "x"): told("sha256:1", "sha256:1"),
            ("a", "y"): told("sha256:1", "sha256:2"),
            ("a", "z"): Told(problem="403 Forbidden"),
            ("a", "w"): told(""),
        }
    )
    by_pod = {(one.resource.name, one.rule.removeprefix("doctor/"), one.field) for one in results}  # type: ignore[union-attr]
    assert by_pod == {
        ("y", "rules-differ", "worker-1"),
        ("z", "replica-silent", ""),
        ("w", "replica-silent", "worker-0"),
    }


def test_replicas_of_two_versions():
    """An upgrade that stopped half-way."""
    assert rules(check_rules({("a", "x"): told("s"), ("a", "y"): told("s", version="2")})) == ["rules-differ"]


@given(st.floats(-1e6, 1e6), st.floats(0, 60))
def test_a_clock_is_doubted_only_beyond_what_is_uncertain(skew, uncertain):
    """Five seconds, and what the way to the API server took."""
    assert bool(check_clock(skew, uncertain)) == (abs(skew) - uncertain > 5.0)


def test_a_replicas_clock_is_compared_with_the_api_servers():
    """Wherever doctor runs, and whatever the time is there; one that does not tell it is left out."""
    minute = dt.timedelta(minutes=1)
    shown = {
        ("a", "right"): (NOW + minute).isoformat(),
        ("a", "wrong"): (NOW - 2 * minute).isoformat(),
        ("a", "slightly"): (NOW + minute + dt.timedelta(seconds=20)).isoformat(),
        ("a", "older"): "",
        ("a", "odd"): "2026-06-01T00:00:00",
    }
    replicas = {
        key: Told("1", {}, ahead=ahead_of(time, NOW, NOW + dt.timedelta(seconds=1))) for key, time in shown.items()
    }
    # The API server is a minute ahead of this machine.
    results = check_replicas(replicas, 60.0, 0.5)
    assert [(one.resource.name, one.severity) for one in results] == [
        ("slightly", "medium"),
        ("wrong", "high"),
    ]
    assert "its clock is 180 s behind the API server's" in results[1].message


def event(user: str, webhook: str, *, stage: str = "ResponseComplete", at: str = "2026-06-01T00:00:00Z") -> str:
    key = "failed-open.validating.webhook.admission.k8s.io/round_0_index_0"
    return json.dumps(
        {
            "stage": stage,
            "user": {"username": user},
            "requestReceivedTimestamp": at,
            "annotations": {key: webhook, "a": "b"},
        }
    )


def test_what_was_let_through(tmp_path: Path):
    """Counted once a request, for govgate's webhooks alone: how many, when, who. Other lines are no matter."""
    file = tmp_path / "audit.log"
    lines = [
        event("alice", "validate.govgate.dev", stage="ResponseStarted"),
        event("alice", "validate.govgate.dev", at="2026-06-02T00:00:00Z"),
        event("alice", "validate.govgate.dev", at="2026-06-03T00:00:00Z"),
        event("bob", "validate.govgate.dev", at="2026-06-01T12:00:00Z"),
        event("bob", "other.example.com"),
        json.dumps({"stage": "ResponseComplete"}),
        "",
        "not an event",
        "{" + '"failed-open.validating.webhook.admission.k8s.io/" broken',
        "x" * (MAX_LINE_BYTES + 10),
    ]
    file.write_text("\n".join(lines))
    opened, unreadable = read_audit_log(file, {"validate.govgate.dev"})
    assert unreadable == 3
    (one,) = check_failed_open(opened, "govgate")
    assert "3 requests were let through unjudged, from 2026-06-01T12:00:00Z to 2026-06-03T00:00:00Z" in one.message  # type: ignore[union-attr]
    assert "alice (2), bob (1)" in one.message  # type: ignore[union-attr]
    with pytest.raises(GovgateError, match=r"nowhere\.log"):
        read_audit_log(tmp_path / "nowhere.log", set())


def test_people_are_told_what_to_do():
    """Once below the findings that say the same, and not of what is accepted; programs have it in each finding anyway."""
    some = [found("full-access", ABOUT, text) for text in ("eve can", "bob can")]
    some += [
        found("clock-skew", ABOUT, "late"),
        found("full-access", ABOUT, "al can", exception="doctor.accepted: known"),
    ]
    run = run_of(Report(results=list(some)), "digest")
    lines = [line.partition(" [")[0] for line in REPORTERS["table"](run).splitlines()]
    where = "Secret govgate-system/govgate-tls"
    assert lines == [
        f"warn: {where}: late",
        f"    what to do: {RULES['doctor/clock-skew'].remedy}",
        f"warn: {where}: bob can",
        f"warn: {where}: eve can",
        f"    what to do: {RULES['doctor/full-access'].remedy}",
        f"excepted by doctor.accepted: known: {where}: al can",
    ]
    assert REPORTERS["markdown"](run).count("What to do: ") == 3


def test_the_report_and_its_exit_codes():
    """The worst first; what is undecided warns; an API server that was not reached fails the run."""
    some = [
        found("impersonate-identity", ABOUT, "low"),
        undecided("rules-differ", "replicas", "403"),
        found("certificate-expires", ABOUT, "soon"),
        found("certificate-expired", ABOUT, "now"),
    ]
    run = run_of(Report(list(some), 4), "sha256:x")
    assert [one.action for one in run.findings] == [Action.DENY, Action.WARN, Action.AUDIT]
    assert (run.denied, run.warned, run.summary.judged, run.summary.indeterminate) == (True, True, 4, 1)
    assert run_of(Report([some[1]], 1), "").warned
    assert not run_of(Report([some[1]], 1), "").denied
    assert run_of(Report([], 1, "refused"), "").problems


@pytest.mark.parametrize("output", REPORTERS)
def test_every_format_shows_it(output):
    """The same reports as `govgate check` makes; a finding names its resource, an undecided check its reason."""
    text = REPORTERS[output](
        run_of(Report([found("clock-skew", ABOUT, "ahead"), undecided("full-access", "RBAC", "403")], 2), "")
    )
    plain = text.replace("\\", "")
    assert "govgate-tls" in plain
    assert "clock-skew" in plain


def test_each_rule_is_on_the_page_with_its_remedy():
    """docs/doctor.md has every rule, with its severity and what it does, and no other."""
    page = (Path(__file__).parents[3] / "docs/doctor.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `doctor/")]
    written = {row[0].strip("| `"): tuple(row[1].split(", ")) for row in rows}
    assert written == {name: (rule.severity.value, rule.action.value) for name, rule in RULES.items()}
    assert all(rule.remedy for rule in RULES.values())
