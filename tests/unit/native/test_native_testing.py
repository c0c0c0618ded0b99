"""Tests written in Rego: outcomes, output, coverage."""

from __future__ import annotations

import pytest

from gateway.native.library import NativeError
from gateway.native.rego import Module, Options, RegoError
from gateway.native.rego_testing import run_tests

pytestmark = pytest.mark.native

RULE = Module("r.rego", "package r\n\np if input.a == 1\n\nq if input.a == 2\n")


def outcomes(text, **options):
    """Name to outcome."""
    run = run_tests([RULE, Module("r_test.rego", "package r_test\nimport data.r\n" + text)], **options)
    return {result.name: result for result in run.results}


def test_each_test_has_its_outcome_and_place():
    """Passed, failed, skipped and error are four things."""
    found = outcomes(
        "test_a if r.p with input.a as 1\n"
        'test_b if { print("seen", 1); r.p with input.a as 2 }\n'
        "todo_test_c if r.p\n"
        "f(1) := 1\nf(x) := 2 if x > 0\n"
        "test_d if f(1) == 1\n"
    )
    assert {name: result.outcome for name, result in found.items()} == {
        "test_a": "passed",
        "test_b": "failed",
        "todo_test_c": "skipped",
        "test_d": "error",
    }
    assert (found["test_b"].path, found["test_b"].line, found["test_b"].output) == ("r_test.rego", 4, "seen 1\n")
    assert "conflicting values" in found["test_d"].message


def test_a_test_of_many_cases_names_the_ones_that_fail():
    """Cases are told apart."""
    found = outcomes('test_m[name] if { some name, a in {"one": 1, "two": 2}; r.p with input.a as a }')
    assert (found["test_m"].outcome, found["test_m"].message) == ("failed", "two")


def test_coverage_tells_the_lines_that_no_test_reached():
    """Of every module, by line."""
    run = run_tests([RULE, Module("r_test.rego", "package r_test\ntest_a if data.r.p with input.a as 1\n")])
    assert {c.path: (c.covered, c.not_covered) for c in run.coverage} == {
        "r.rego": ((3,), (5,)),
        "r_test.rego": ((2,), ()),
    }


def test_data_and_a_pattern_for_names_are_given():
    """Tests may read base documents; only those that match are run."""
    found = outcomes("test_a if data.d == 1\ntest_b if false\n", data=b'{"d": 1}', name_pattern="test_a")
    assert {name: result.outcome for name, result in found.items()} == {"test_a": "passed"}


def test_a_test_that_takes_too_long_is_an_error():
    """The time is of each test."""
    endless = "test_e if { some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i * j == -1 }\n"
    found = outcomes(endless + "test_a if true\n", timeout_seconds=0.2)
    assert (found["test_e"].outcome, found["test_a"].outcome) == ("error", "passed")


def test_failing_built_ins_fail_a_test_only_when_strict():
    """The default is the one that rules are evaluated with."""
    text = 'test_a if not to_number("x")\n'
    assert outcomes(text)["test_a"].outcome == "passed"
    assert outcomes(text, options=Options(strict_builtins=True))["test_a"].outcome == "error"


def test_rules_that_do_not_compile_are_no_test_result():
    """They are RegoError; data that is not an object is NativeError."""
    with pytest.raises(RegoError, match=r"r_test\.rego:3:\d+"):
        outcomes("test_a if x == 1\n")
    with pytest.raises(NativeError, match="object"):
        outcomes("", data=b"1")
