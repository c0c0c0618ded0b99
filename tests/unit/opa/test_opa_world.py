"""Rules moved below a root of their own: what is changed of their text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.remote.world import Mover, inventory_is_fixed, question, without_function

MOVER = Mover("R")
INVENTORY = "data.R.govgate_sessions[data.R.govgate_session].inventory"

MOVED = {
    "package a.b\n": "package R.a.b\n",
    "package  data.x # data.y\n": "package  R.data.x # data.y\n",
    'package a["b-c"].d': 'package R.a["b-c"].d',
    "import data.lib.x as y": "import data.R.lib.x as y",
    "q := data.x[data.y].data.z": "q := data.R.x[data.R.y].data.z",
    'q := input.data.x + metadata + data_x["data.y"]': 'q := input.data.x + metadata + data_x["data.y"]',
    "q := `data.x {` + data.x": "q := `data.x {` + data.R.x",
    '"a \\" data.x" data.x': '"a \\" data.x" data.R.x',
    'p if { data["x"] } # data.x "\ndata.x': 'p if { data.R["x"] } # data.x "\ndata.R.x',
    '$"data.x {data.x} \\{data.y} {f({"k": data.z})}" data.q': '$"data.x {data.R.x} \\{data.y} {f({"k": data.R.z})}" data.R.q',
    "$`data.x {data.x}` data.q": "$`data.x {data.R.x}` data.R.q",
    "walk(data, x)": "walk(data.R, x)",
    "q := data.inventory.cluster[x]": f"q := {INVENTORY}.cluster[x]",
    "q := data.inventory_x": "q := data.R.inventory_x",
    "x with input.y as data.z": "x with input.y as data.R.z",
}


@pytest.mark.parametrize("text", MOVED)
def test_references_and_packages_are_moved_and_nothing_else(text: str) -> None:
    """Strings and comments stay, templates' expressions do not; a member that is called data is no root."""
    assert MOVER.move(text) == MOVED[text]


@pytest.mark.parametrize("text", [text for text in MOVED if "with" not in text])
def test_what_a_server_says_is_put_back(text: str) -> None:
    """Names in messages, and columns, are those of the file."""
    moved = MOVER.move(text)
    assert MOVER.back(moved) == text
    last = moved.split("\n")[-1]
    row = moved.count("\n") + 1
    assert MOVER.column(moved, row, len(last) + 1) == len(text.rsplit("\n", maxsplit=1)[-1]) + 1


@given(st.text(st.sampled_from('data."`{}$#\\ \nx[]R'), max_size=60))
def test_any_text_can_be_moved(text: str) -> None:
    """Whatever is in a file, lines stay what they are; what is wrong with it, the server says."""
    moved = MOVER.move(text)
    assert moved.count("\n") == text.count("\n")
    assert len(moved) >= len(text)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("q := data.inventory.x", False),
        ('q := input["data"]', False),
        ("# data[x]\nq := 1", False),
        ("package data\n", False),
        ("import data.inventory", True),
        ("import data.inventory.cluster as c", True),
        ("p if q with data.inventory as {}", True),
        ("p if data[x]", True),
        ("walk(data, x)", True),
        ("import data.lib.inventory", False),
    ],
)
def test_where_the_inventory_must_stay(text: str, *, fixed: bool) -> None:
    """An import or a mock has a fixed path; what looks through the root would see other processes' sessions."""
    assert inventory_is_fixed(text) is fixed


def test_the_entry_needs_every_module() -> None:
    """It calls a function of each, in whatever package, and is asked for some queries at a time."""
    modules = [MOVER.module(text, n) for n, text in enumerate(("package a.b\n", 'package a["b-c"].d\n'))]
    entry = MOVER.entry(modules, ["data.a.b.q", "{x | x := data.a.r[_]}"])
    assert "data.R.a.b.govgate_here_0(1)" in entry
    assert 'data.R.a["b-c"].d.govgate_here_1(1)' in entry
    assert "answer[1] := found if found := {x | x := data.R.a.r[_]}" in entry
    assert [without_function(module) for module in modules] == ["package R.a.b\n", 'package R.a["b-c"].d\n']
    assert "[1, 0]" in question((1, 0), "R", "s")
