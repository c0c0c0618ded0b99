"""Base documents that are kept here, and the patches that make a server's the same."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policies.remote.tree import Tree

_NAMES = st.sampled_from(["a", "b", "c/d", "e~f", "g%2Fh", ""])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4)
_VALUES = st.none() | st.integers() | st.dictionaries(_NAMES, st.integers() | st.dictionaries(_NAMES, st.booleans()))


def patched(document: Any, operations: list[dict[str, Any]]) -> Any:
    """As OPA does it: parents must be there, and so must what is removed."""
    for operation in operations:
        steps = [
            part.replace("%25", "%").replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        at = document
        for step in steps[:-1]:
            at = at[step]
        if operation["op"] == "remove":
            del at[steps[-1]]
        else:
            at[steps[-1]] = copy.deepcopy(operation["value"])
    return document


@given(st.lists(st.tuples(_PATHS, _VALUES), max_size=12))
def test_a_server_that_is_patched_holds_the_same(changes: list[tuple[list[str], Any]]) -> None:
    """After any changes both are equal, and what was there before, or was handed in, is not changed."""
    start: dict[str, Any] = {"a": {"b": {"a": 1}}}
    tree, server = Tree(start), copy.deepcopy(start)
    handed = copy.deepcopy(changes)
    for path, value in changes:
        server = patched(server, tree.put(path, value))
        assert server == tree.documents
    assert start == {"a": {"b": {"a": 1}}}
    assert changes == handed
