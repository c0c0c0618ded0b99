"""Gatekeeper's suites in ``govgate policy test``: run, and put into words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.core.errors import UsageError
from policies.gatekeeper.suite import Chosen, SuiteResult, find_suites, run_suite


def suites_of(paths: Sequence[str], pattern: str, timeout_seconds: float) -> list[SuiteResult]:
    """The results of all suites below ``paths``, of the cases whose ``test//case`` the pattern matches.

    Raises:
        UsageError: the pattern is no regular expression.
        SuiteError: there are too many files.
    """
    chosen = _chosen(pattern)
    found = dict.fromkeys(suite for path in paths for suite in find_suites(Path(path)) if suite.suffix != ".rego")
    return [run_suite(suite, chosen=chosen, timeout_seconds=timeout_seconds) for suite in found]


def failures(suites: Sequence[SuiteResult]) -> Iterator[str]:
    """A line for everything in the suites that has an error."""
    for suite in suites:
        if suite.error:
            yield f"{suite.path}: error: {suite.error}"
        for test in suite.tests:
            if test.error:
                yield f"{suite.path}: failed: {test.name}: {test.error}"
            for case in test.cases:
                if case.error:
                    yield f"{suite.path}: failed: {test.name}//{case.name}: {case.error}"


def counts(suites: Sequence[SuiteResult]) -> tuple[int, int, int]:
    """Cases that passed, failed (errors of whole suites and tests among them), and were skipped."""
    cases = [case for suite in suites for test in suite.tests for case in test.cases]
    skipped = sum(case.skipped for case in cases)
    skipped += sum(suite.skipped for suite in suites) + sum(t.skipped for suite in suites for t in suite.tests)
    passed = sum(not case.error and not case.skipped for case in cases)
    passed += sum(not t.cases and not t.error and not t.skipped for suite in suites for t in suite.tests)
    return passed, sum(1 for _ in failures(suites)), skipped


def _chosen(pattern: str) -> Chosen | None:
    if not pattern:
        return None
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--run: not a regular expression: {error}") from None
    return lambda test, case: not case or wanted.search(f"{test}//{case}") is not None
