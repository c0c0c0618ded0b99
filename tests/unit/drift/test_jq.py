"""The part of jq that is understood, and that everything else is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UndecidedError
from webhooks.drift.jq import MAX_CHARS, Budget, delete, parse

OBJECT: dict[str, Any] = {
    "a": {"b": 1, "x.y/z": 2, "c": [1, 2, 3]},
    "l": [{"name": "p", "v": 1, "on": True}, {"name": "q", "v": 2}, {"v": 1}],
}


def deleted(expression: str) -> dict[str, Any]:
    """The object after ``del(<expression>)``."""
    left = copy.deepcopy(OBJECT)
    for path in parse(expression):
        delete(left, path, Budget(1_000))
    return left


def without(*path: Any) -> dict[str, Any]:
    """The object without what stands at the path."""
    left = copy.deepcopy(OBJECT)
    node: Any = left
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return left


@pytest.mark.parametrize(
    ("expression", "left"),
    [
        (".a", without("a")),
        (".a.b", without("a", "b")),
        (".a.b?", without("a", "b")),
        (" .a | .b ", without("a", "b")),
        ('.a["x.y/z"]', without("a", "x.y/z")),
        ('.a."x.y/z"', without("a", "x.y/z")),
        ('."a"."b"', without("a", "b")),
        ('.["a"]["b"]', without("a", "b")),
        (".a.c[0]", without("a", "c", 0)),
        (".a.c[-1]", without("a", "c", 2)),
        (".a.c.[1]", without("a", "c", 1)),
        (".a.c[9]", OBJECT),
        (".a.c[-9]", OBJECT),
        (".a.c[]", {**OBJECT, "a": {**OBJECT["a"], "c": []}}),
        (".a[]", {**OBJECT, "a": {}}),
        (".l[1].name", without("l", 1, "name")),
        ('.l[] | select(.name == "q")', without("l", 1)),
        ('.l[] | select(.name != "q") | .v', {**OBJECT, "l": [{"name": "p", "on": True}, OBJECT["l"][1], {}]}),
        (".l[] | select(.v == 2) | .name", without("l", 1, "name")),
        (".l[] | select(.on == true)", without("l", 0)),
        (".l[] | select(.v == true)", OBJECT),
        ('.l[] | select(.name == "p") | select(.v == 2)', OBJECT),
        ('.l[] | select(.["name"] == "q")', without("l", 1)),
        (".a | select(.b == 1) | .c", without("a", "c")),
        (".a | select(.b == 2) | .c", OBJECT),
        (".missing.b", OBJECT),
        (".a.b.c", OBJECT),
        (".l.name", OBJECT),
        (".a.b, .a.c", {**OBJECT, "a": {"x.y/z": 2}}),
    ],
)
def test_paths(expression: str, left: dict) -> None:
    """Fields, quoted fields, indexes, iteration, ``select`` by equality, pipes and commas."""
    assert deleted(expression) == left


@pytest.mark.parametrize(
    "expression",
    [
        "", ".", "a", "..", ".a | keys", "del(.a)", ".a[1:2]", ".a[.b]", '.a["x"', ".a |", "| .a", ".a,", ".a b",
        'select(.a == "b")', ".l[] | select(.v > 1)", '.l[] | select(.name | test("a"))', '.l[] | select(.name == "q").v',
        ".a as $x | .b", "$x", "@base64", '.a["\\q"]', ".l[] | select(.v == 007)", ".l[٣]", ".a//.b", "if . then . else . end",
        ".a" * MAX_CHARS,
    ],
)  # fmt: skip
def test_everything_else_is_refused_by_name(expression: str) -> None:
    """What cannot be evaluated here is neither taken for ignored, nor for enforced."""
    with pytest.raises(UndecidedError, match="jq expression"):
        parse(expression)


@given(st.text(alphabet='.[]()"ab|,= select\\?-12\x00é', max_size=40))
def test_no_expression_fails_otherwise(expression: str) -> None:
    """Whatever a tenant writes is understood or refused."""
    try:
        paths = parse(expression)
    except UndecidedError:
        return
    left = copy.deepcopy(OBJECT)
    for path in paths:
        delete(left, path, Budget(1_000))


def test_the_budget_is_spent_by_what_is_visited() -> None:
    """An iteration costs as much as it visits."""
    with pytest.raises(UndecidedError, match="too much work"):
        delete(copy.deepcopy(OBJECT), parse(".l[].name")[0], Budget(4))
    delete(copy.deepcopy(OBJECT), parse(".l[].name")[0], Budget(20))
