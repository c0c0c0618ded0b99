"""Fixes in a file's text: exactly what they say, and not a byte more."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.ci.fix.text import Fixed, Wanted, fix_file
from gateway.core.finding import Action, Finding, Fix, RemoveField, Resource, SetField, Severity
from gateway.native.manifests import read_files

pytestmark = pytest.mark.native

FALSE = SetField(value=False)
REMOVE = RemoveField()


def wanted(path: str, fix: Fix, line: int = 1, prefix: str = "") -> Wanted:
    about = Resource("v1", "Pod", "", "web")
    finding = Finding("f-1", "a/b", Severity.LOW, Action.WARN, "policy", about, path, "m", "", fix=fix)
    return Wanted(finding, fix, "web.yaml", line, prefix)


def fixed(text: str, *fixes: tuple[str, Fix]) -> Fixed:
    line = read_files([text.encode()])[0].documents[0].line
    return fix_file(text.encode(), [wanted(path, fix, line) for path, fix in fixes])


CHANGES: dict[str, tuple[str, list[tuple[str, Fix]], str]] = {
    "a scalar": ("a: 1\nb:   yes  # why\nc: 3\n", [("b", FALSE)], "a: 1\nb:   false  # why\nc: 3\n"),
    "a quoted one": ("a: 'x'\nb: 1\n", [("a", SetField(value="y"))], 'a: "y"\nb: 1\n'),
    "one over lines": ("a: x\n  y\nb: 1\n", [("a", FALSE)], "a: false\nb: 1\n"),
    "nothing": ("a:  # todo\nb: 1\n", [("a.x", FALSE)], "a: {x: false}  # todo\nb: 1\n"),
    "null": ("a: ~\nb: 1\n", [("a", FALSE)], "a: false\nb: 1\n"),
    "a block scalar": ("a: |  # text\n  x\n\n  y\n\nb: 1\n", [("a", FALSE)], "a: false  # text\nb: 1\n"),
    "a list": ("a:  # why\n- x\n- y # z\nb: 1\n", [("a", SetField(value=["ALL"]))], "a: [ALL]  # why\nb: 1\n"),
    "a list in brackets": ("a: [x, 'y']\nb: 1\n", [("a", SetField(value=["ALL"]))], "a: [ALL]\nb: 1\n"),
    "a new member": ("a:\n   b: 1 # x\n# y\nc: 1\n", [("a.d", FALSE)], "a:\n   b: 1 # x\n   d: false\n# y\nc: 1\n"),
    "new maps, as deep as the old": (
        "a:\n    b: 1\n",
        [("a.c.d.e", FALSE), ("a.c.d.f", SetField(value=["x"]))],
        "a:\n    b: 1\n    c:\n        d:\n            e: false\n            f: [x]\n",
    ),
    "after a block scalar": ("a:\n  b: |+\n    x\n\nc: 1\n", [("a.d", FALSE)], "a:\n  b: |+\n    x\n\n  d: false\nc: 1\n"),
    "after an alias": (
        "x: &x {y: 1}\na:\n  b: 1\n  c: *x\n",
        [("a.d", FALSE)],
        "x: &x {y: 1}\na:\n  b: 1\n  d: false\n  c: *x\n",
    ),
    "without a last line end": ("a:\n  b: 1", [("a.c", FALSE)], "a:\n  b: 1\n  c: false"),
    "line ends of two characters": ("a:\r\n  b: 1\r\n", [("a.c", FALSE)], "a:\r\n  b: 1\r\n  c: false\r\n"),
    "in an item": ("a:\n- name: b\n  c: 1\n- name: d\n", [("a[name=b].e", FALSE)], "a:\n- name: b\n  c: 1\n  e: false\n- name: d\n"),
    "in braces": ("a: {b: 1, c: {}}\n", [("a.d", FALSE), ("a.c.e", FALSE)], "a: {b: 1, c: {e: false}, d: false}\n"),
    "letters beyond ASCII": ("# ü😀\na: {b: ü😀}\n", [("a.c", FALSE)], "# ü😀\na: {b: ü😀, c: false}\n"),
    "removed": ("a: 1\nb: 2 # b\n# c\nc: 3\n", [("b", REMOVE)], "a: 1\n# c\nc: 3\n"),
    "removed with all below": ("a: 1\nb:\n  c: 1\n  d:\n  - 1\n\ne: 3\n", [("b", REMOVE)], "a: 1\n\ne: 3\n"),
    "removed beside a dash": ("a:\n- b: 1 # x\n  c: 2\n", [("a[0].b", REMOVE)], "a:\n- c: 2\n"),
    "all of a map": ("a: # x\n  b: 1\nc: 1\n", [("a.b", REMOVE)], "a: {} # x\nc: 1\n"),
    "all items": ("a:\n- b\n- c\nd: 1\n", [("a[0]", REMOVE), ("a[1]", REMOVE)], "a: []\nd: 1\n"),
    "some items": ("a:\n- b\n# c\n- c\n- d\n", [("a[0]", REMOVE), ("a[2]", REMOVE)], "a:\n# c\n- c\n"),
    "items in brackets": ("a: [b, c, d, e]\n", [("a[0]", REMOVE), ("a[2]", REMOVE), ("a[3]", REMOVE)], "a: [c]\n"),
    "another for one removed": ("a: {b: 1, c: 2}\n", [("a.c", REMOVE), ("a.d", FALSE)], "a: {b: 1, d: false}\n"),
    "others for all": (
        "a:\n- b: {c: 1}\n  d:\n    c: 1 # x\n",
        [("a[0].b.c", REMOVE), ("a[0].b.e", FALSE), ("a[0].d.c", REMOVE), ("a[0].d.e", FALSE)],
        "a:\n- b: {e: false}\n  d:\n    e: false\n",
    ),
    "others for all in JSON": (
        '{\n  "a": {\n    "b": 1\n  }\n}\n',
        [("a.b", REMOVE), ("a.c", FALSE), ("a.d", FALSE)],
        '{\n  "a": {\n    "c": false,\n    "d": false\n  }\n}\n',
    ),
    "JSON": (
        '{\n\t"a": {\n\t\t"b": true,\n\t\t"c": "y"\n\t}\n}\n',
        [("a.b", FALSE), ("a.d.e", SetField(value="y"))],
        '{\n\t"a": {\n\t\t"b": false,\n\t\t"c": "y",\n\t\t"d": {"e": "y"}\n\t}\n}\n',
    ),
    "JSON on one line": ('{"a":{"b":1}}', [("a.c.d", FALSE)], '{"a":{"b":1,"c":{"d":false}}}'),
    "text that means something else": ("a:\n  b: 1\n", [("a.c", SetField(value="on"))], 'a:\n  b: 1\n  c: "on"\n'),
    "a name in quotes": ("a:\n  b/c: 1\n  d: 2\n", [('a["b/c"]', REMOVE)], "a:\n  d: 2\n"),
    "the same twice": ("a: 1\nb: 1\n", [("b", FALSE), ("b", FALSE)], "a: 1\nb: false\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_fix_changes_what_it_says(name: str) -> None:
    """Each way of writing a field is kept as it was, but for the field."""
    before, fixes, after = CHANGES[name]
    found = fixed(before, *fixes)
    assert (found.data.decode(), found.refused) == (after, [])
    assert len(found.done) == len(fixes)


REFUSALS: dict[str, tuple[str, str, Fix, str]] = {
    "an alias": ("x: &x {b: 1}\na: *x\n", "a.b", FALSE, "alias"),
    "an anchor with aliases": ("a: &x {b: 1}\nx: *x\n", "a.b", FALSE, "alias"),
    "a scalar that is an alias": ("x: &x 1\na: *x\nb: 1\n", "a", FALSE, "alias"),
    "a removed alias": ("x: &x 1\na: *x\nb: 1\n", "a", REMOVE, "alias"),
    "a merge key": ("x: &x {b: 1}\na:\n  <<: *x\n  c: 1\n", "a.c", FALSE, "merge key"),
    "an anchor in what goes": ("a: {b: &x 1}\nc: *x\n", "a", REMOVE, "more than the field"),
    "a name that means a boolean": ("y: 1\nb: 1\n", "y", FALSE, "more than the field"),
    "a name that is not there": ("a: 1\n", "b", REMOVE, "not there"),
    "an item that is not there": ("a: [{name: b}]\n", "a[name=c].d", FALSE, "not there"),
    "two items of one name": ("a: [{name: b}, {name: b}]\n", "a[name=b].d", FALSE, "same name"),
    "what SOPS has signed": ("a: {b: 1}\nsops:\n  mac: ENC[x]\n", "a.b", FALSE, "SOPS"),
    "no map": ("a: text\n", "a.b", FALSE, "no map"),
    "the same value": ("a: no\n", "a", FALSE, "already"),
    "everything": ("a: 1\n", "a", REMOVE, "nothing would be left"),
    "a block item": ("a:\n-\n  b: 1\n", "a[0]", FALSE, "a person"),
    "a comment between": ("a:\n- b: 1\n  # c\n  c: 1\n", "a[0].b", REMOVE, "a person"),
    "a name by itself": ("? a\n: b: 1\nc: 1\n", "a.d", FALSE, "a person"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_can_not_be_changed_alone_is_not_changed(name: str) -> None:
    """A fix that would touch something else is refused, with a reason, and the others are made."""
    before, path, fix, why = REFUSALS[name]
    before += "---\nother: 1\n"
    line = before.count("\n")
    found = fix_file(before.encode(), [wanted(path, fix), wanted("other", FALSE, line)])
    assert found.data.decode() == before.removesuffix("1\n") + "false\n"
    assert len(found.refused) == 1
    assert why in found.refused[0][1]


def test_two_fixes_of_one_field_are_not_both_made() -> None:
    """What two rules want differently is left to a person, as is a field inside of another that is set."""
    found = fixed("a: {b: 1}\n", ("a.b", FALSE), ("a.b", SetField(value=True)), ("a", SetField(value={})))
    assert found.data == b"a: {b: false}\n"
    assert [why for _, why in found.refused] == ["another fix changes the same field"] * 2


def test_a_file_that_is_not_readable_to_its_end_is_left_alone() -> None:
    """Where Kubernetes' reader stops, nothing before it is changed either."""
    found = fixed("a: 1\nb: 2\n---\nc: 1\nc: 2\n", ("a", FALSE))
    assert found.data == b"a: 1\nb: 2\n---\nc: 1\nc: 2\n"
    assert "to its end" in found.refused[0][1]


def test_an_item_of_a_list_is_found_below_its_prefix() -> None:
    """The objects of a List are changed in place."""
    data = b"kind: List\nitems:\n- a: 1\n- a: 1\n"
    assert fix_file(data, [wanted("a", FALSE, 1, "items[1]")]).data == b"kind: List\nitems:\n- a: 1\n- a: false\n"


NAMES = ("a", "b", "name", "x.y/z", "Key_1")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(("on", "1:30", "é 😀", "a: b", "", "x # y"))
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.sampled_from(NAMES), below, max_size=3)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=4)


def written(draw: Any, value: Any, indent: int = 0) -> list[str]:
    """A value in lines, in a way that is drawn: nested by lines or in braces, with comments here and there."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 4)) == 0:
        return [json.dumps(value, ensure_ascii=draw(st.booleans()))]
    lines = []
    pad = " " * indent
    for key, item in value.items() if isinstance(value, dict) else ((None, item) for item in value):
        head = "-" if key is None else f"{json.dumps(key) if draw(st.booleans()) else key}:"
        step = draw(st.integers(1, 4))
        below = written(draw, item, indent + step)
        if draw(st.integers(0, 3)) == 0:
            lines.append(f"{pad}# {draw(st.integers(0, 99))}")
        comment = draw(st.sampled_from(("", "", "  # why")))
        if len(below) == 1 and not below[0].startswith((" ", "#")):
            lines.append(f"{pad}{head} {below[0]}{comment}")
        elif key is None and draw(st.booleans()) and below[0].startswith(" " * (indent + 2)) and step == 2:
            lines += [f"{pad}- {below[0][indent + 2 :]}", *below[1:]]
        else:
            lines += [f"{pad}{head}{comment}", *below]
    if lines and len(lines) == 1 and not lines[0].startswith(" "):
        lines.insert(0, f"{pad}# one")
    return lines


def fields(value: Any, path: str = "") -> list[str]:
    """The paths of all fields, and of one more in each map."""
    found = []
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}[{json.dumps(key)}]"
            found += [below, *fields(item, below)]
        found += [f"{path}.new", f"{path}.new.below"]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += [f"{path}[{index}]", *fields(item, f"{path}[{index}]")]
    return found


def steps(path: str) -> list[Any]:
    """The steps of a path as :func:`fields` writes it."""
    found = re.findall(r'\["[^"]*"\]|\[\d+\]|\.\w+', path)
    return [json.loads(step[1:-1]) if step[0] == "[" else step[1:] for step in found]


def expected(value: Any, fixes: list[tuple[str, Fix]]) -> Any:
    """The value after the fixes, made in the plainest way: what goes, goes last, and of a list the last first."""
    copy = json.loads(json.dumps(value))
    gone = [steps(path) for path, fix in fixes if isinstance(fix, RemoveField)]
    for path, fix in fixes:
        *above, last = steps(path)
        if isinstance(fix, SetField):
            at = copy
            for step in above:
                if isinstance(at, dict):
                    at.setdefault(step, {})
                at = at[step]
            at[last] = fix.value
    for *above, last in sorted(gone, key=lambda one: [str(step) for step in one], reverse=True):
        at = copy
        for step in above:
            at = at[step]
        del at[last]
    return copy


@given(st.data())
def test_the_difference_is_the_fixes(data: st.DataObject) -> None:
    """However a document is written: it says the same but for the fixes, the other documents are the same bytes, and no
    comment is lost where something is added.
    """
    value = data.draw(DOCUMENTS)
    text = "\n".join(written(data.draw, value)) + "\n"
    around = ("# first\nz: 1\n---\n", "---\n# last\nz: {y: 1}\n")
    whole = around[0] + text + around[1]
    before = read_files([whole.encode()])[0].documents
    assume(len(before) == 3 and json.loads(before[1].json) == value)
    values = st.sampled_from((False, "on", ["ALL"], {"é": {"b": 0}}))
    fixes = st.one_of(st.builds(SetField, value=values), st.just(REMOVE))
    paths = st.sampled_from(fields(value))
    asked = data.draw(st.lists(st.tuples(paths, fixes), min_size=1, max_size=4, unique_by=lambda one: one[0]))
    found = fix_file(whole.encode(), [wanted(path.removeprefix("."), fix, before[1].line) for path, fix in asked])
    after = found.data.decode()
    assert after.startswith(around[0])
    assert after.endswith(around[1])
    made = [(path, fix) for path, fix in asked if any(one.path == path.removeprefix(".") for one in found.done)]
    said = json.loads(read_files([found.data])[0].documents[1].json)
    assert json.dumps(said, sort_keys=True) == json.dumps(expected(value, made), sort_keys=True)
    assert (after == whole) is not bool(made)
    assert len(found.done) + len(found.refused) == len(asked)
    if all(path.endswith((".new", ".below")) for path, _ in made):
        kept = iter(after.split("\n"))
        assert all(line in kept for line in whole.split("\n") if line.lstrip().startswith("#"))
        assert after.count("# why") == whole.count("# why")
