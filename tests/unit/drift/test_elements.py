"""Finding elements of lists by FieldsV1 keys: the index agrees with a plain search, and costs no more than the list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhooks.drift.elements import Elements, index_of
from webhooks.drift.equality import MISSING, same

scalars = st.sampled_from(["a", "b", "", 1, 0, True, False, 1.0, None])
items = st.one_of(
    scalars,
    st.dictionaries(st.sampled_from(["n", "p", "x"]), st.one_of(scalars, st.just({}), st.just(["a"])), max_size=3),
)
lists = st.lists(items, max_size=6)


def searched(node: list[Any], wanted: dict[str, Any]) -> list[Any]:
    """The same by looking at every element: exactly, else those that lack some key field and have none wrong."""
    maps = [item for item in node if isinstance(item, dict)]
    exact = [i for i in maps if all(name in i and same(i[name], value) for name, value in wanted.items())]
    if exact or len(wanted) == 1:
        return exact
    return [
        item
        for item in maps
        if any(name in item for name in wanted)
        and all(name not in item or same(item[name], value) for name, value in wanted.items())
    ]


@given(lists, st.dictionaries(st.sampled_from(["n", "p"]), scalars, min_size=1))
@settings(max_examples=300)
def test_the_index_finds_what_a_search_finds(node: list[Any], wanted: dict[str, Any]) -> None:
    """All elements with these key fields, in order, however many key fields there are or lack."""
    found = Elements(node).get("k:" + json.dumps(wanted))
    expected = searched(node, wanted)
    if len(expected) == 1:
        assert found is expected[0]
    else:
        assert found == (expected or MISSING)


@given(lists, items)
@settings(max_examples=200)
def test_values_of_sets(node: list[Any], wanted: Any) -> None:
    """A ``v:`` key finds the value if it is in the list, booleans and numbers told apart."""
    found = Elements(node).get("v:" + json.dumps(wanted))
    assert (found is not MISSING) is any(same(item, wanted) for item in node)


@given(lists, st.permutations(['k:{"n":"a"}', 'k:{"n":"b"}', 'k:{"n":1}', "f:n", 'v:"a"']))
def test_order_is_that_of_the_elements(node: list[Any], keys: list[str]) -> None:
    """Keys come in the order in which what they name stands first; keys without an element are left out."""
    found = Elements(node)
    assert found.order(keys) == found.order(sorted(keys))
    assert [found.positions(key)[0] for key in found.order(keys)] == sorted(
        found.positions(key)[0] for key in found.order(keys)
    )


@pytest.mark.parametrize("node", [MISSING, None, "abc", {"n": "a"}, 7])
@pytest.mark.parametrize("key", ['k:{"n":"a"}', 'v:"a"', "i:0", "k:", "v:{", "i:x", "f:n"])
def test_what_is_no_list_has_no_elements(node: Any, key: str) -> None:
    """Nor does an unreadable key name one."""
    assert Elements(node).get(key) is MISSING


@pytest.mark.parametrize(
    ("text", "index"),
    [("0", 0), ("12", 12), ("", -1), ("-1", -1), ("²", -1), ("٣", -1), ("1.0", -1), ("9" * 5_000, -1), ("x", -1)],
)
def test_list_indexes(text: str, index: int) -> None:
    """Plain digits, few enough to be an index."""
    assert index_of(text) == index
