"""What Kyverno prints, read back: complete, about the objects that were given, or not believed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kyverno import report, result

from policies.kyverno.policy import WITNESS
from policies.kyverno.report import ReportError, Result, read_results

UIDS = {"u-1": 0, "u-2": 1}
SEEN = [result(WITNESS, uid) for uid in UIDS]


def test_results_go_to_their_objects() -> None:
    """By uid alone, from every report, whatever else is printed between."""
    cluster = report([*SEEN, result("p", "u-2", "fail", rule="r", message=" m ")])
    own = report([result("web/n", "u-1", "skip", properties={"exceptions": "a,b"})], kind="Report")
    found = read_results(b"Warning: old\n\n" + cluster + b"---\n" + own + b"1 rule\n", UIDS)
    assert found == [
        [Result("web/n", cel=False, rule="", status="skip", message="m", exceptions=("a", "b"))],
        [Result("p", cel=False, rule="r", status="fail", message="m")],
    ]


@pytest.mark.parametrize(
    "output",
    [
        b"",
        report(SEEN[:1]),
        report([SEEN[0], result(WITNESS, "u-2", "skip")]),
        report([*SEEN, result("p", "u-3")]),
        report([*SEEN, {"policy": "p", "result": "pass"}]),
        report([*SEEN, {"result": "pass"}]),
        report(SEEN)[:-20] + b"\n",
        report(SEEN, apiVersion="wgpolicyk8s.io/v1alpha2"),
    ],
    ids=["nothing", "one left out", "not passed", "unknown uid", "about none", "of none", "cut off", "another form"],
)
def test_an_incomplete_account_is_refused(output: bytes) -> None:
    """An object that Kyverno has not seen has not passed."""
    with pytest.raises(ReportError):
        read_results(output, UIDS)


@given(st.binary() | st.builds(lambda tail: b'{"kind":"' + tail, st.binary()))
def test_nothing_that_is_printed_raises_anything_else(output: bytes) -> None:
    """Arbitrary output is refused as such."""
    with contextlib.suppress(ReportError):
        read_results(output, UIDS)


@pytest.mark.parametrize(
    ("status", "message", "exceptions", "doubt"),
    [
        ("pass", "m", (), False),
        ("fail", "m", (), False),
        ("warn", "m", (), False),
        ("skip", "preconditions not met", (), False),
        ("skip", "failed to validate old object", (), True),
        ("error", "", (), True),
        ("summary", "m", (), True),
    ],
)
def test_what_is_no_answer_is_a_doubt(status: str, message: str, exceptions: tuple[str, ...], doubt: bool) -> None:
    """Errors, statuses that are not known, and what was skipped because it failed."""
    assert bool(Result("p", cel=False, rule="r", status=status, message=message, exceptions=exceptions).doubt) == doubt


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("validation error: m. rule r failed at path /spec/containers/0/image/", "spec.containers[0].image"),
        ("rule r[0] failed at path /metadata/labels/a/ rule r[1] failed at path /metadata/labels/b/", ""),
        ("no path", ""),
    ],
)
def test_the_field_is_the_one_path_of_the_message(message: str, field: str) -> None:
    """One path is the field; several, or none, are not."""
    assert Result("p", cel=False, rule="r", status="fail", message=message).field == field
