"""Label selectors, as an API server is asked by them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway_secrets.external.labels import query_of, selector_faults
from gateway_secrets.external.store import Selector

Json = dict[str, Any]


def selector(*expressions: Json, **labels: str) -> Selector:
    return msgspec.convert({"matchLabels": labels, "matchExpressions": list(expressions)}, Selector)


def test_what_is_asked_for() -> None:
    """All of it, in the words of an API server."""
    found = selector(
        {"key": "a.b/c", "operator": "In", "values": ["x", "y"]},
        {"key": "d", "operator": "NotIn", "values": ["z"]},
        {"key": "e", "operator": "Exists"},
        {"key": "f", "operator": "DoesNotExist"},
        team="a",
        kind="",
    )
    assert list(selector_faults(found, "spec", "push")) == []
    assert query_of(found) == "kind=,team=a,a.b/c in (x,y),d notin (z),e,!f"


@pytest.mark.parametrize(
    ("found", "field"),
    [
        (selector(), "spec"),
        (selector(team="a,other=b"), "spec.matchLabels"),
        (selector(**{"a b": ""}), "spec.matchLabels"),
        (selector(**{"/a": "b"}), "spec.matchLabels"),
        (selector({"key": "a", "operator": "In", "values": ["x),(y"]}), "spec.matchExpressions[0]"),
        (selector({"key": "a", "operator": "In"}), "spec.matchExpressions[0].values"),
        (selector({"key": "a", "operator": "Exists", "values": ["x"]}), "spec.matchExpressions[0].values"),
    ],
)
def test_what_is_no_selector(found: Selector, field: str) -> None:
    """By the field; one that would select more than it says is never asked for."""
    assert [one.field for one in selector_faults(found, "spec", "push")] == [field]
