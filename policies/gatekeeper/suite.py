"""Test suites (``suite.yaml``, ``test.gatekeeper.sh``) run as ``gator verify`` runs them.

A suite holds tests, each of a template with one constraint; a test holds cases, each of one object with assertions
about the violations. What is expanded by an ExpansionTemplate counts for its parent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.subject import Json
from gateway.native.manifests import read_files
from policies.gatekeeper.assertions import Assertion, SuiteError, unmet
from policies.gatekeeper.client import Gatekeeper, inventory_of
from policies.gatekeeper.compile import Policies, read_policies
from policies.gatekeeper.constraint import GATOR, ConstraintSchemaError, is_constraint
from policies.gatekeeper.expansion import Expansions, is_expansion, read_expansion
from policies.gatekeeper.review import Reviewed, of_object, of_request
from policies.gatekeeper.template import is_template

GROUP = "test.gatekeeper.sh"
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_SUITES = 10_000


class CaseResult(msgspec.Struct, frozen=True):
    """``error`` is empty if all assertions are met."""

    name: str
    error: str = ""
    skipped: bool = False
    seconds: float = 0.0


class TestResult(msgspec.Struct, frozen=True):
    """``error``: the test could not be run, whatever its cases say."""

    __test__ = False

    name: str
    error: str = ""
    skipped: bool = False
    seconds: float = 0.0
    cases: tuple[CaseResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it and all its cases are without error; skipped ones are."""
        return not self.error and not any(case.error for case in self.cases)


class SuiteResult(msgspec.Struct, frozen=True):
    """``path`` is that of the suite's file."""

    path: str
    error: str = ""
    skipped: bool = False
    tests: tuple[TestResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing in it has an error."""
        return not self.error and all(test.passed for test in self.tests)


class Case(msgspec.Struct, frozen=True):
    """Files are named relative to the suite's."""

    name: str = ""
    object: str = ""
    inventory: tuple[str, ...] | None = None
    assertions: tuple[Assertion, ...] | None = None
    skip: bool = False


class Test(msgspec.Struct, frozen=True):
    """``invalid``: the constraint is expected not to meet the template's schema."""

    __test__ = False

    name: str = ""
    template: str = ""
    constraint: str = ""
    expansion: str = ""
    cases: tuple[Case, ...] | None = None
    invalid: bool = False
    skip: bool = False


class Suite(msgspec.Struct, frozen=True):
    """The content of a suite's file."""

    tests: tuple[Test, ...] | None = None
    skip: bool = False


Chosen = Callable[[str, str], bool]
"""Whether to run a case, by the names of its test and its own (empty: whether to run any of the test)."""


def find_suites(path: Path) -> Iterator[Path]:
    """The suites among the YAML files below a folder, or the file itself.

    Raises:
        SuiteError: there are too many files.
    """
    if path.is_file():
        yield path
        return
    files = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file())
    if len(files) > MAX_SUITES:
        raise SuiteError(f"{path}: more than {MAX_SUITES} YAML files")
    for file in files:
        content = file.read_bytes()
        if GROUP.encode() in content and any(_is_suite(one) for one in _documents(file, content)):
            yield file


def run_suite(path: Path, *, chosen: Chosen | None = None, timeout_seconds: float = 10.0) -> SuiteResult:
    """Run one suite; everything that is wrong is in the result.

    Args:
        path: of the suite's file.
        chosen: which cases to run; the others are skipped.
        timeout_seconds: for the evaluation of one case.
    """
    try:
        suite = _read_suite(path)
    except GovgateError as error:
        return SuiteResult(str(path), str(error))
    if suite.skip:
        return SuiteResult(str(path), skipped=True)
    runner = _Runner(path.parent, chosen or (lambda _test, _case: True), timeout_seconds)
    return SuiteResult(str(path), tests=tuple(map(runner.run, suite.tests or ())))


class _Runner:
    def __init__(self, folder: Path, chosen: Chosen, timeout_seconds: float) -> None:
        self._folder = folder
        self._chosen = chosen
        self._timeout_seconds = timeout_seconds

    def run(self, test: Test) -> TestResult:
        if test.skip or not self._chosen(test.name, ""):
            return TestResult(test.name, skipped=True)
        started = time.monotonic()
        error = ""
        cases: tuple[CaseResult, ...] = ()
        try:
            cases = self._cases(test)
        except GovgateError as failure:
            error = str(failure)
        return TestResult(test.name, error, seconds=time.monotonic() - started, cases=cases)

    def _cases(self, test: Test) -> tuple[CaseResult, ...]:
        template = self._one(test.template, "template", is_template)
        constraint = self._one(test.constraint, "constraint", is_constraint)
        try:
            policies = read_policies((template,), (constraint,))
        except ConstraintSchemaError:
            if test.invalid:
                return ()
            raise
        if test.invalid:
            raise SuiteError("the constraint is valid, and expected not to be")
        expansions = Expansions([read_expansion(one) for one in self._expansions(test)])
        Gatekeeper(policies).close()
        return tuple(self._case(test, case, policies, expansions) for case in test.cases or ())

    def _case(self, test: Test, case: Case, policies: Policies, expansions: Expansions) -> CaseResult:
        if case.skip or not self._chosen(test.name, case.name):
            return CaseResult(case.name, skipped=True)
        started = time.monotonic()
        try:
            error = self._check(case, policies, expansions)
        except GovgateError as failure:
            error = str(failure)
        return CaseResult(case.name, error, seconds=time.monotonic() - started)

    def _check(self, case: Case, policies: Policies, expansions: Expansions) -> str:
        """The first assertion that is not met."""
        if not case.object:
            raise SuiteError("a case must name its object")
        if not case.assertions:
            raise SuiteError("a case must have assertions")
        objects = self._read(case.object)
        if len(objects) != 1:
            raise SuiteError(f"{case.object} holds {len(objects)} objects, not one")
        inventory = [one for name in case.inventory or () for one in self._read(name)]
        rules = Gatekeeper(policies, expansions=expansions, inventory=inventory)
        try:
            found = rules.review(_reviewed(objects[0], inventory), GATOR, timeout_seconds=self._timeout_seconds)
        finally:
            rules.close()
        messages = [violation.message for violation in found]
        return next(filter(None, (unmet(one, messages) for one in case.assertions)), "")

    def _expansions(self, test: Test) -> list[Json]:
        found = self._read(test.expansion) if test.expansion else []
        if test.expansion and not (found and all(map(is_expansion, found))):
            raise SuiteError(f"{test.expansion}: not an ExpansionTemplate")
        return found

    def _one(self, name: str, role: str, is_one: Callable[[Json], bool]) -> Json:
        if not name:
            raise SuiteError(f"a test must name its {role}")
        found = self._read(name)
        if len(found) != 1 or not is_one(found[0]):
            raise SuiteError(f"{name}: not a {role}")
        return found[0]

    def _read(self, name: str) -> list[Json]:
        found = list(_documents(self._folder / name))
        if not found:
            raise SuiteError(f"{name}: no objects")
        return found


def _reviewed(document: Json, inventory: Sequence[Json]) -> Reviewed:
    """An object, or the request of an AdmissionReview. The namespace is looked for in the inventory."""
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    if group != "admission.k8s.io" or document.get("kind") != "AdmissionReview":
        return of_object(document, namespace=_namespace(document.get("metadata"), inventory))
    request = document.get("request")
    if not isinstance(request, dict):
        raise SuiteError("the AdmissionReview has no request")
    if request.get("object") is None and request.get("oldObject") is None:
        raise SuiteError("the AdmissionRequest has neither object nor oldObject")
    reviewed = of_request(request, namespace=_namespace(request, inventory))
    return msgspec.structs.replace(reviewed, namespace=None)


def _namespace(about: Any, inventory: Iterable[Json]) -> Json | None:
    name = about.get("namespace") if isinstance(about, dict) else None
    known = inventory_of(inventory).get("cluster", {}).get("v1", {}).get("Namespace", {})
    return known.get(name) if name else None


def _read_suite(path: Path) -> Suite:
    documents = [one for one in _documents(path) if _is_suite(one)]
    if len(documents) != 1:
        raise SuiteError(f"{path}: not a Suite of {GROUP}")
    try:
        return msgspec.convert(documents[0], Suite)
    except msgspec.ValidationError as error:
        raise SuiteError(f"{path}: {error}") from None


def _is_suite(document: Json) -> bool:
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    return group == GROUP and document.get("kind") == "Suite"


def _documents(path: Path, content: bytes | None = None) -> Iterator[Json]:
    """The objects in a file.

    Raises:
        SuiteError: it cannot be read.
    """
    try:
        content = path.read_bytes() if content is None else content
    except OSError as error:
        raise SuiteError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise SuiteError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
    [file] = read_files([content])
    if file.problem is not None:
        raise SuiteError(f"{path}:{file.problem.line}: {file.problem.message}")
    for document in file.documents:
        decoded = msgspec.json.decode(document.json)
        if isinstance(decoded, dict):
            yield decoded
