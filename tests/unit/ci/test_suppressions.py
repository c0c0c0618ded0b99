"""Comments that suppress findings: where they hold, until when, and what becomes of those that do not."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ci.suppressions import apply, find
from gateway.cli.app import app
from gateway.config.check import Check
from gateway.core.finding import Action, Finding, Location, Resource, Severity

TODAY = date(2026, 6, 1)
GOOD = 'govgate:ignore pod-security/privileged until=2026-12-31 reason="the driver needs it"'


def a_finding(line: int, rule: str = "pod-security/privileged", path: str = "a.yaml") -> Finding:
    about = Resource("v1", "Pod", "web", "a")
    location = Location(path, line)
    return Finding("f-1", rule, Severity.HIGH, Action.DENY, "policy", about, "spec", "m", "", location)


def suppressed(text: str, documents: tuple[int, ...] = (1,), **settings: Any) -> list[int]:
    """The lines in which a finding would be suppressed."""
    found = find("a.yaml", text.encode(), documents, Check(**settings), TODAY)
    lines = range(1, len(text.splitlines()) + 1)
    return [line for line in lines if apply(found, [a_finding(line)])[0].exception is not None]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"kind: Pod\nspec:\n  privileged: true # {GOOD}\n  other: 1\n", [3]),
        (f"kind: Pod\nspec:\n  # {GOOD}\n  privileged: true\n  other: 1\n", [3, 4]),
        (f"kind: Pod\nspec:\n  # {GOOD}\n  # and a word more\n\n  privileged: true\n", [3, 4, 5, 6]),
        (f"# {GOOD}\nkind: Pod\nspec:\n  privileged: true\n", [1, 2, 3, 4]),
        (f"# a word first\n# {GOOD}\nkind: Pod\n", [2, 3]),
        ("kind: Pod\nspec: {}\n", []),
    ],
)
def test_which_lines_a_comment_is_about(text: str, lines: list[int]) -> None:
    """Its own line, the next one that says something, or the whole document."""
    assert suppressed(text) == lines


def test_a_comment_before_a_document_ends_with_it() -> None:
    """Of several documents in a file it is about one."""
    text = f"kind: A\n---\n# {GOOD}\nkind: B\nspec: 1\n---\nkind: C\n"
    assert suppressed(text, (1, 3, 7)) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("comment", "problem"),
    [
        (GOOD.replace("2026-12-31", "2026-05-31"), "lapsed on 2026-05-31"),
        (GOOD.replace("2026-12-31", "soon"), "no date"),
        (GOOD.replace("until=2026-12-31", ""), "no date"),
        (GOOD.replace("2026-12-31", "2027-12-31"), "further than 365 days"),
        (GOOD.partition(" reason")[0], "no reason"),
        (GOOD.replace("pod-security/privileged", ""), "names no rule"),
        (GOOD.replace("pod-security/privileged", "*"), "names no rule"),
    ],
)
def test_what_does_not_hold_says_why(comment: str, problem: str) -> None:
    """Lapsed, without an end, without a reason, about everything: nothing is suppressed."""
    text = f"a: 1 # {comment}\n"
    [found] = find("a.yaml", text.encode(), (1,), Check(), TODAY)
    assert problem in found.state
    assert suppressed(text) == []


def test_some_rules_are_not_to_be_suppressed() -> None:
    """A platform team names them; a glob over them does not get around it."""
    for rule in ("pod-security/privileged", "pod-security/*"):
        text = f"a: 1 # {GOOD.replace('pod-security/privileged', rule)}\n"
        assert suppressed(text) == [1]
        assert suppressed(text, protected_rules=("pod-security/privileged",)) == []
        assert suppressed(text, protected_rules=("pod-*",)) == []


def test_the_last_day_counts() -> None:
    """``until`` is the last day on which it holds."""
    assert suppressed(f"a: 1 # {GOOD.replace('2026-12-31', str(TODAY))}\n") == [1]


@given(st.text(max_size=200), st.integers(-400, 400))
def test_nothing_but_the_exception_changes(text: str, days: int) -> None:
    """Whatever stands behind the mark, a finding stays what it was, or is excepted; nothing fails."""
    line = text.replace("\n", " ").replace("\r", " ")
    comment = f"a: 1 # govgate:ignore a/b until={TODAY + timedelta(days=days)} {line}"
    found = find("a.yaml", comment.encode(errors="replace"), (1,), Check(), TODAY)
    before = a_finding(1, "a/b")
    [after] = apply(found, [before])
    assert msgspec.structs.replace(after, exception=None) == before
    assert days >= 0 or after.exception is None


@pytest.mark.native
def test_the_command_shows_what_is_suppressed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept and marked, not counted; lapsed and unused ones are said; --no-suppressions takes no notice."""
    until = date.today() + timedelta(days=30)  # noqa: DTZ011 - a date as a person writes it
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"
        f'  hostPID: true # govgate:ignore pod-security/host-namespaces until={until} reason="an agent"\n'
        "  # govgate:ignore pod-security/privileged until=2020-01-01 reason=old\n"
        f"  containers: # govgate:ignore pod-security/sysctls until={until} reason=x\n"
        "    - {name: c, image: agent}\n"
    )
    command = ("check", str(tmp_path), "--policies", "builtin:pod-security-baseline", "-o", "json")
    assert not app(command, result_action="return_value")
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [one["exception"] for one in found["findings"]] == [f"suppression/{tmp_path}/pod.yaml:5"]
    assert [one["state"] for one in found["suppressions"]] == ["active", "lapsed on 2020-01-01", "unused"]
    assert "pod.yaml:6: suppression of pod-security/privileged lapsed on 2020-01-01" in shown.err
    assert "pod.yaml:7: suppression of pod-security/sysctls matches nothing" in shown.err
    assert app((*command, "--fail-on", "warn"), result_action="return_value") == 2
    assert app((*command, "--no-suppressions"), result_action="return_value") == 3
