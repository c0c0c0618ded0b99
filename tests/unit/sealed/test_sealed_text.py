"""SealedSecrets as text: what is written is read as the same object, and changes touch nothing else."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.config.yaml import read_yaml_stream
from gateway_secrets.sealed.documents import read_documents
from gateway_secrets.sealed.edit import update
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.render import render

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "y", "No", "1e3", "0o12", "012", "1:30", "2026-01-01", "~", "null", "-", "a: b", "a #b", "'", '"', "it's \"it\"",
     "0x1f", ".5", "1_000", "+1", "=", "!!x", "&a", "*a", "{", "[", "|", ">", "%", "@", "`", "\u2028", "\x85", "\x7f", "\t"]
)  # fmt: skip
LEAVES = TEXTS | st.booleans() | st.none() | st.integers(-(2**40), 2**40)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4))
OBJECTS = st.dictionaries(TEXTS, TREES, min_size=1, max_size=4)


def read(text: str) -> list[Any]:
    return [document.value for document in read_documents(text.encode(), source="test")]


@given(OBJECTS)
def test_what_is_written_is_read_as_the_same(document: dict[str, Any]) -> None:
    """By the reader that Kubernetes has, whatever the strings look like; in JSON too."""
    assert read(render(document, "yaml")) == [document]
    assert read(render(document, "json")) == [document]


@given(OBJECTS)
def test_the_reader_without_the_library_agrees(document: dict[str, Any]) -> None:
    """The one in Python."""
    assert [value for _, value in read_yaml_stream(render(document, "yaml"), source="x")] == [document]


def test_several_documents_are_counted_by_their_lines() -> None:
    """Empty ones are none."""
    text = "# first\n---\n---\na: 1\n---\n# none\n---\n{b: 2}\n"
    assert [(one.line, one.value) for one in read_documents(text.encode(), source="x")] == [
        (4, {"a": 1}),
        (8, {"b": 2}),
    ]
    assert read_yaml_stream(text, source="x") == [(4, {"a": 1}), (8, {"b": 2})]


def test_json_documents_follow_one_another() -> None:
    """As kubeseal and kubectl write them."""
    assert read('{"a": 1}\n{"b": 2}\n') == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "text",
    ["a: *{c}", "a: !!int {c}", "? {{a: {c}}}\n: b", 'a: "{c}', "a: {c}: b", "{c}: 1\n{c}: 2", "%{c}", "a: `{c}", "\t{c}",
     "a: !!binary {c}", "a: &x [{c}\n b", "{{{c}"],
)  # fmt: skip
def test_errors_quote_nothing(text: str) -> None:
    """What cannot be read may be a secret all the same; the line is said. Neither reader quotes."""
    data = text.format(c="hunter2").encode()
    with pytest.raises(InputError, match=r"^secret\.yaml(:\d+)?: ") as raised:
        read_documents(data, source="secret.yaml")
    assert "hunter2" not in str(raised.value)
    with pytest.raises(Exception, match=r"^x(:\d+)?: is no YAML") as other:
        read_yaml_stream(data.decode(), source="x")
    assert "hunter2" not in str(other.value)


COMMENTED = """\
# What is in here, and why.
---
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret   # of Bitnami's
metadata:
  name: db
  namespace: "web"
spec:
  # one a line
  encryptedData:
    b: Ag1  # by Bob

    # folded
    d: >-
      Ag2
    e: |
      Ag3

  template: {}
# the end
---
k: [1,   2]
"""


def test_comments_and_order_stay() -> None:
    """Only what differs is another."""
    before = read(COMMENTED)
    after = copy.deepcopy(before)
    after[0]["metadata"]["annotations"] = {"seal.govgate.dev/certificates": '[{"a":"b"}]'}
    after[0]["spec"]["encryptedData"] |= {"a": "AgA", "b": "AgB", "c": "AgC", "d": "AgD", "z": "AgZ"}
    del after[0]["spec"]["encryptedData"]["e"]
    made = update(COMMENTED, before, after)
    assert not made.rewritten
    expected = COMMENTED.replace("  name: db\n", '  annotations:\n    A: \'[{"a":"b"}]\'\n  name: db\n')
    expected = expected.replace("A: ", "seal.govgate.dev/certificates: ").replace(
        "    b: Ag1", "    a: AgA\n    b: AgB"
    )
    expected = expected.replace("#  by", "# by").replace("# by Bob\n", "# by Bob\n    c: AgC\n")
    expected = expected.replace(">-\n      Ag2\n    e: |\n      Ag3\n", "AgD\n    z: AgZ\n")
    assert made.text == expected


@given(OBJECTS, OBJECTS, st.integers(0, 3))
def test_a_changed_text_says_what_it_should(old: dict[str, Any], new: dict[str, Any], shared: int) -> None:
    """Whatever changes into whatever; if it cannot be done in place, the text is written anew."""
    new = dict(list(old.items())[:shared]) | new
    text = render(old, "yaml").replace("---\n", "# head\n---\n")
    assert read(update(text, [old], [new]).text) == [new]


@given(OBJECTS)
def test_nothing_changes_nothing(document: dict[str, Any]) -> None:
    """Not even the way it is written."""
    text = msgspec.json.encode(document).decode()
    assert update(text, [document], [document]).text == text


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(("Ag1", "Ag2")), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(("Ag1", "Ag2")), min_size=1),
)
def test_lines_of_unchanged_values_stay(old: dict[str, str], new: dict[str, str]) -> None:
    """With the comments on them."""
    assume(old.keys() & new.keys())
    text = "".join(f"{line}  # mine\n" for line in render({"spec": old}, "yaml").splitlines()[1:])
    made = update(text, [{"spec": old}], [{"spec": new}])
    assert not made.rewritten
    kept = [line for line in text.splitlines() if line.split("#")[0].strip() in {f"{k}: {v}" for k, v in new.items()}]
    assert [line for line in made.text.splitlines() if line in kept] == kept


@pytest.mark.parametrize(
    "text",
    [
        "x: &a {k: 1}\ny: *a\n",
        "x: &a\n  k: 1\ny: *a\n",
        "{x: {k: 1}, y: {k: 1}} # c\n",
        "? x\n: {k: 1}\ny: {k: 1}\n",
        "x : {k: 1}\ny : {k: 1}\n",
    ],
)
def test_what_cannot_be_changed_in_place_is_written_anew(text: str) -> None:
    """Aliases, flow style, and what else there is: and it is said that comments are lost."""
    before = [{"x": {"k": 1}, "y": {"k": 1}}]
    made = update(text, before, [{"x": {"k": 2}, "y": {"k": 1}}])
    assert read(made.text) == [{"x": {"k": 2}, "y": {"k": 1}}]
    assert made.rewritten is ("#" in text)


def test_line_ends_stay_as_they_are() -> None:
    """A file from Windows stays one."""
    text = "a: 1\r\nb: x\r\n"
    assert update(text, [{"a": 1, "b": "x"}], [{"a": 2, "b": "x", "c": "z"}]).text == "a: 2\r\nb: x\r\nc: z\r\n"


def test_the_last_line_may_lack_its_end() -> None:
    """And then still lacks it."""
    assert update("a: 1", [{"a": 1}], [{"a": 1, "b": 2}]).text == "a: 1\nb: 2"
