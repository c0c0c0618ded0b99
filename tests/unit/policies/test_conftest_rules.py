"""Conftest's conventions beyond messages: exceptions, fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_rules_judged import asked, judged

from gateway.config.policy import Policy
from gateway.core.finding import Action
from policies.conftest import rules_of
from policies.embedded import EmbeddedOpa
from policies.loading import load_rules
from policies.ruleset import RuleSet

HEAD = "import rego.v1\n"


async def loaded(folder: Path, **files: str) -> RuleSet:
    for name, text in files.items():
        (folder / f"{name}.rego").write_text(text)
    return await load_rules(Policy(sources=(str(folder),)), EmbeddedOpa())


@pytest.mark.native
async def test_exceptions_are_kept_and_marked(tmp_path: Path) -> None:
    """A package's exception names its rules without their prefix, in whichever of its files; other packages' stay."""
    rules = await loaded(
        tmp_path,
        a=f'package main\n{HEAD}deny_x contains "x" if true\nwarn_y contains "y" if true\ndeny contains "d" if true\n'
        'deny_none contains "n" if false\n',
        b=f'package main\n{HEAD}exception contains ["x", "y"] if input.data.legacy\nexception contains [""] if input.data.all\n',
        c=f'package other\n{HEAD}deny_x contains "o" if true\n',
    )
    for data, excepted in (
        ({}, set()),
        ({"legacy": "1"}, {"x", "y"}),
        ({"all": "1"}, {"d"}),
        ({"all": "1", "legacy": "1"}, {"x", "y", "d"}),
    ):
        (outcome,) = await judged(rules, asked(data=data))
        assert outcome.undecided == ()
        assert {one.message for one in outcome.findings} == {"x", "y", "d", "o"}
        assert {one.message for one in outcome.findings if one.exception == "rego/main/exception"} == excepted
        assert {one.action for one in outcome.findings if one.message == "y"} == {Action.WARN}
    await rules.close()


@pytest.mark.native
@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ('"field": "a.b[0]"', "a.b[0]"),
        ('"path": ["a", "b", 0, "c.d", "e"]', 'a.b[0]["c.d"].e'),
        ('"path": [2, "a"]', "[2].a"),
        ('"path": ["a b", "[x]"]', 'a b["[x]"]'),
        ('"path": "deploy.yaml"', ""),
        ('"path": ["a", {}]', ""),
        ('"path": ["a", true]', ""),
        ('"field": 7', ""),
        ('"details": {}', ""),
    ],
)
async def test_fields(tmp_path: Path, stated: str, field: str) -> None:
    """A result may say what it is about: by a field path, or by names and indices."""
    rules = await loaded(tmp_path, a=f'package main\n{HEAD}deny contains {{"msg": "m", {stated}}} if true\n')
    (outcome,) = await judged(rules, asked())
    assert [(one.message, one.field) for one in outcome.findings] == [("m", field)]
    await rules.close()


@pytest.mark.native
async def test_a_file_that_is_not_known(tmp_path: Path) -> None:
    """Where there is none, a rule that asks for its name is indeterminate, and the others are judged."""
    rules = await loaded(
        tmp_path,
        a=f'package main\n{HEAD}deny_x contains "x" if data.conftest.file.name\ndeny contains "d" if input.data.x\n',
    )
    (outcome,) = await judged(rules, asked(data={"x": "1"}))
    assert [one.message for one in outcome.findings] == ["d"]
    assert [(one.rule, one.unknown) for one in outcome.undecided] == [("rego/main/deny_x", True)]
    await rules.close()


@pytest.mark.parametrize(
    ("name", "is_rule"),
    [("deny", True), ("violation_a_1", True), ("warn_x", True), ("denying", False), ("deny_", False), ("allow", False)],
)
def test_names_of_rules(name: str, is_rule: bool) -> None:
    """Those that Conftest takes for rules."""
    found: list[Any] = list(rules_of("main", (name,), "f.rego"))
    assert bool(found) == is_rule
