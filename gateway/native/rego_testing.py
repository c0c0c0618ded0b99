"""Tests written in Rego (rules named ``test_…``), run as ``opa test --coverage`` runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.native.library import frames
from gateway.native.rego import Module, Options, compile_call


class TestResult(msgspec.Struct, frozen=True):
    """One test. ``error`` means that it could not be evaluated; ``output`` is what it printed."""

    __test__ = False

    package: str
    name: str
    path: str
    line: int
    outcome: Literal["passed", "failed", "error", "skipped"]
    message: str
    output: str
    seconds: float


class Coverage(msgspec.Struct, frozen=True, rename="camel"):
    """The lines of one file that any test evaluated, and those that none did. Lines without a rule are in neither."""

    path: str
    covered: tuple[int, ...]
    not_covered: tuple[int, ...]


class TestRun(msgspec.Struct, frozen=True):
    """All results by package and name, and the coverage of every module by path, the tests' own files included."""

    __test__ = False

    results: tuple[TestResult, ...]
    coverage: tuple[Coverage, ...]


def run_tests(
    modules: Sequence[Module],
    *,
    data: bytes = b"{}",
    options: Options | None = None,
    name_pattern: str = "",
    timeout_seconds: float = 5.0,
) -> TestRun:
    """Run the tests in ``modules`` whose name (``data.package.test_name``) matches an RE2 pattern; blocks.

    ``timeout_seconds`` is for each test; one that takes longer is an ``error``.

    Raises:
        RegoError: something does not compile.
        NativeError: ``data`` is not a JSON object, or the pattern is wrong.
    """
    request = {
        "modules": modules,
        "options": options or Options(),
        "filter": name_pattern,
        "timeout": int(timeout_seconds * 1e9),
    }
    return msgspec.json.decode(compile_call("rego.test", frames((msgspec.json.encode(request), data))), type=TestRun)
