"""Health pages as a pure function of checks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.server.readiness import Check, render, worker_checks

words = st.text("abc ", min_size=1, max_size=8)
checks = st.lists(st.builds(Check, words, problem=st.just("") | words, warning=st.just("") | words), max_size=6)


@given(checks, st.booleans())
def test_ready_if_nothing_fails(some: list[Check], verbose: bool) -> None:
    """The status is 200 exactly if no check has a problem; warnings do not count."""
    status, _ = render("readyz", some, verbose=verbose)
    assert (status == 200) == (not any(check.problem for check in some))


@given(checks)
def test_a_failure_is_always_named(some: list[Check]) -> None:
    """Whatever fails is named with its reason, verbose or not."""
    for verbose in (False, True):
        _, text = render("readyz", some, verbose=verbose)
        for check in some:
            assert not check.problem or f"[-]{check.name} failed: {check.problem}" in text


def test_a_worker_that_is_not_ready_has_one_check() -> None:
    """Of a worker that is not there, old checks are not shown."""
    assert worker_checks("0", ready=False, problem="", checks={"rules": ""}, warnings={}) == [
        Check("worker-0", "starting")
    ]
    assert worker_checks("0", ready=True, problem="", checks={"rules": "none"}, warnings={"a": "b"}) == [
        Check("worker-0"),
        Check("worker-0/rules", "none"),
        Check("worker-0/a", warning="b"),
    ]
