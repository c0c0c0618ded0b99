"""The pinned conftest and we read the same structured files, and judge them by the same rules, alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.structured import FILES, FOLDER, messages_of_conftest, record, recorded
from support.tools import module_folder

from gateway.ci.inputs import contents
from gateway.ci.job import Job, run_job
from gateway.ci.manifests import read_manifests
from gateway.ci.run import Run
from gateway.ci.structured import Structured, read_structured
from gateway.config.model import Config
from gateway.config.policy import Policy
from gateway.native.documents import parser_of
from policies.engine import RulesError

pytestmark = pytest.mark.native

_STRICTER = frozenset(("duplicate.yaml",))
"""What conftest takes, and we refuse, as Kubernetes does."""

_EXPECTED = recorded()


@pytest.fixture(scope="module")
def read() -> dict[str, Structured]:
    """What each file holds."""
    found = {name: Structured([], []) for name in FILES}
    for batch in contents([str(FOLDER / "files" / name) for name in FILES]):
        given = [one for one in batch if not hasattr(one, "message")]
        manifests = read_manifests([one for one in given if not one.parser])
        several = read_structured([one for one in given if one.parser], manifests.others)
        for document in several.documents:
            found[Path(document.path).name].documents.append(document)
        for problem in (*manifests.problems, *several.problems):
            found[Path(problem.path).name].problems.append(problem)
    return found


@pytest.fixture(scope="module")
def judged() -> dict[str, dict[str, list[str]]]:
    """By file, the messages of each rule that found something."""
    policy = Policy(sources=(str(FOLDER / "policy"),))
    job = Job([str(FOLDER / "files" / name) for name in FILES], Config(policy=policy))
    run: Run = asyncio.run(run_job(job, lambda _run: None))
    assert run.doubts == []
    found: dict[str, dict[str, set[str]]] = {}
    for finding in run.findings:
        assert finding.location is not None
        rule = finding.rule.removeprefix("rego/").replace("/", ".")
        if finding.exception:
            rule = "exceptions"
        found.setdefault(Path(finding.location.path).name, {}).setdefault(rule, set()).add(finding.message)
    return {name: {rule: sorted(told) for rule, told in rules.items()} for name, rules in found.items()}


def test_the_corpus_is_recorded() -> None:
    """Each file of it, and nothing else; some that conftest refuses are among them."""
    assert tuple(_EXPECTED) == FILES
    assert sum(one["documents"] is None for one in _EXPECTED.values()) > 5


@pytest.mark.parametrize("name", FILES)
def test_same_documents(name: str, read: dict[str, Structured]) -> None:
    """As many documents, each equal; what conftest refuses is a problem, and holds nothing."""
    expected: list[Any] | None = _EXPECTED[name]["documents"]
    if expected is None or name in _STRICTER:
        assert (len(read[name].documents), len(read[name].problems)) == (0, 1)
        return
    assert read[name].problems == []
    assert [_value(document.subject.raw_object) for document in read[name].documents] == expected


@pytest.mark.parametrize("name", sorted(set(FILES) - _STRICTER))
def test_same_results(name: str, judged: dict[str, dict[str, list[str]]]) -> None:
    """Rule by rule, the same messages; what an exception holds for does not count, there and here."""
    expected = dict(_EXPECTED[name]["results"])
    found = dict(judged.get(name, {}))
    assert bool(found.pop("exceptions", None)) == bool(expected.pop("exceptions", None))
    assert found == expected


@pytest.mark.servers
def test_the_recording_is_what_conftest_says() -> None:
    """Recorded anew, it is the same."""
    assert json.loads(json.dumps(record()), parse_int=float) == _EXPECTED


@pytest.mark.servers
@pytest.mark.parametrize("combine", [False, True])
async def test_its_own_examples_come_out_alike(combine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples that conftest's sources hold: the same messages, one by one and combined; rules that it refuses are refused."""
    seen = 0
    for folder, files in _examples():
        monkeypatch.chdir(folder)
        expected = messages_of_conftest(folder, files, combine=combine)
        job = Job(files, Config(policy=Policy(sources=("policy",))), combine=combine)
        try:
            run = await run_job(job, lambda _run: None)
        except RulesError:
            assert expected is None, folder.name
            continue
        assert (run.problems, run.doubts) == ([], []), folder.name
        assert sorted({one.message for one in run.findings if not one.exception}) == expected, folder.name
        seen += 1
    assert seen > 15


def _examples() -> Iterator[tuple[Path, list[str]]]:
    """The folders that hold rules, with the files beside these."""
    root = module_folder("conftest", "github.com/open-policy-agent/conftest") / "examples"
    for policy in sorted(path for path in root.rglob("policy") if path.is_dir()):
        folder = policy.parent
        found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
        files = [str(path) for path in found if parser_of(str(path)) and path.parts[0] != "policy"]
        if files:
            yield folder, files


def _value(raw: bytes) -> Any:
    """JSON with the numbers that conftest has: 64-bit floats. Here they keep their digits."""
    return json.loads(raw, parse_int=float)
