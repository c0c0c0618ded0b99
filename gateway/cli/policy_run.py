"""``govgate policy test`` and ``govgate policy eval``: rules by themselves."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from gateway.cli import exits
from gateway.cli.output import print_document
from gateway.cli.parameters import InputPath
from gateway.cli.policy import policy_app
from gateway.cli.policy_suites import counts, failures, suites_of
from gateway.core.errors import GovgateError, UsageError
from gateway.native import rego
from gateway.native.inspect import inspect_modules
from gateway.native.rego_testing import Coverage, TestRun, run_tests
from policies.engine import Module
from policies.gatekeeper.suite import SuiteResult
from policies.sources import Source, read_folder

FAILED = frozenset(("failed", "error"))

_QUERY_SECONDS = 30.0
_MAX_INPUT_BYTES = 64 * 1024 * 1024


@policy_app.command(name="test")
def run_rule_tests(
    *paths: InputPath,
    output: Annotated[Literal["table", "json"], Parameter(name=["--output", "-o"])] = "table",
    run: Annotated[str, Parameter(name=["--run", "-r"])] = "",
    coverage: bool = False,
    threshold: float = 0.0,
    timeout_seconds: float = 5.0,
) -> int:
    """Run the tests of rules: Rego rules named test_… in *_test.rego files, and Gatekeeper's suite.yaml files.

    Rego tests run with everything else in the same folders; suites as `gator verify` runs them. Exit code 3 when a
    test fails, or the coverage is below the threshold.

    Parameters
    ----------
    paths
        Folders (with all below them) or files.
    output
        table for people, json for programs.
    run
        Only tests whose name matches this regular expression: data.example.test_x of Rego (RE2), test//case of a suite.
    coverage
        Show which lines of rules no test evaluates.
    threshold
        The share of lines that tests must evaluate, in percent; implies --coverage.
    timeout_seconds
        For each test.
    """
    if not paths:
        raise UsageError("name at least one folder or file of rules and their tests")
    source = _with_tests(paths)
    done = run_tests(
        _versioned(source), data=msgspec.json.encode(source.data), name_pattern=run, timeout_seconds=timeout_seconds
    )
    suites = suites_of(paths, run, timeout_seconds)
    rules = [part for part in done.coverage if not part.path.endswith("_test.rego")]
    share = _share(rules)
    if output == "json":
        document = {**msgspec.to_builtins(done), "coveredPercent": share, "suites": msgspec.to_builtins(suites)}
        print_document(document, "json")
    else:
        _print_results(done, suites)
        if coverage or threshold:
            _print_coverage(rules, share)
    if not done.results and not suites:
        raise GovgateError(f"there are no tests in {', '.join(paths)}" + (f" that match {run}" if run else ""))
    failed = any(result.outcome in FAILED for result in done.results) or not all(suite.passed for suite in suites)
    return exits.DENIED if failed or share < threshold else exits.CLEAN


@policy_app.command(name="eval")
def evaluate(
    query: str,
    *,
    data: Annotated[tuple[Path, ...], Parameter(name=["--data", "-d"], negative=())] = (),
    input: Annotated[Path | None, Parameter(name=["--input", "-i"])] = None,  # noqa: A002 - the option's name
) -> int:
    """Evaluate a query with the embedded engine, and print its value as JSON. Exit code 1 if it has none.

    Parameters
    ----------
    query
        Of one expression, such as data.main.deny.
    data
        A folder or file of rules and base documents; repeatable.
    input
        The input document, a JSON file.
    """
    source = _with_tests([str(path) for path in data])
    rules = rego.compile_rules(_versioned(source), [query], data=msgspec.json.encode(source.data))
    with contextlib.closing(rules):
        answer = rules.evaluate([_document(input)], timeout_seconds=_QUERY_SECONDS)[0][0]
    if isinstance(answer, rego.Value):
        print(msgspec.json.format(bytes(answer.value)).decode())
        return exits.CLEAN
    if isinstance(answer, rego.Undefined):
        raise GovgateError("the query is undefined")
    if isinstance(answer, rego.TimedOut):
        raise GovgateError(f"the query took longer than {_QUERY_SECONDS:g} s")
    where = f"{answer.path}:{answer.line}: " if answer.path else ""
    raise GovgateError(f"{where}{answer.message} ({answer.code})")


def _with_tests(paths: Sequence[str]) -> Source:
    """The rules below all paths, tests included."""
    modules: dict[str, Module] = {}
    data: dict[str, Any] = {}
    for path in paths:
        source = read_folder(Path(path), tests=True)
        modules |= {module.path: module for module in source.modules}
        data |= source.data
    return Source(tuple(modules.values()), data)


def _versioned(source: Source) -> list[rego.Module]:
    """The modules in the version of Rego that they are written in; what cannot be parsed, the compiler refuses."""
    given = [(module.path, module.text) for module in source.modules]
    versions = {found.path: found.version for found in inspect_modules(given).modules}
    return [rego.Module(path, text, 0 if versions.get(path) == 0 else 1) for path, text in given]


def _document(path: Path | None) -> bytes:
    if path is None:
        return b"null"
    if str(path) == "-":
        return sys.stdin.buffer.read(_MAX_INPUT_BYTES)
    return path.read_bytes()


def _print_results(done: TestRun, suites: Sequence[SuiteResult]) -> None:
    failed = [result for result in done.results if result.outcome in FAILED]
    for result in failed:
        detail = f": {result.message}" if result.message else ""
        print(f"{result.path}:{result.line}: {result.outcome}: {result.package}.{result.name}{detail}")
        for line in result.output.splitlines():
            print(f"    {line}")
    for text in failures(suites):
        print(text)
    skipped = sum(result.outcome == "skipped" for result in done.results)
    own = (len(done.results) - len(failed) - skipped, len(failed), skipped)
    totals = [sum(pair) for pair in zip(own, counts(suites), strict=True)]
    print("{} passed, {} failed, {} skipped".format(*totals), file=sys.stderr)


def _print_coverage(rules: Sequence[Coverage], share: float) -> None:
    for part in rules:
        if part.not_covered:
            print(f"{part.path}: not covered: {_ranges(part.not_covered)}")
    print(f"{share:.1f}% of the rules' lines covered", file=sys.stderr)


def _share(rules: Sequence[Coverage]) -> float:
    covered = sum(len(part.covered) for part in rules)
    lines = covered + sum(len(part.not_covered) for part in rules)
    return 100.0 * covered / lines if lines else 100.0


def _ranges(lines: Sequence[int]) -> str:
    """``3, 7-9``."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][-1] + 1:
            parts[-1].append(line)
        else:
            parts.append([line])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
