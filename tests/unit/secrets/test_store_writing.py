"""Writing and removing one member of what is stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores.errors import MisconfiguredError, UnusableError
from gateway_secrets.stores.writing import check_managed, with_member, without_member

NAMES = st.text(min_size=1, max_size=5)
OBJECTS = st.dictionaries(NAMES, st.text(max_size=5) | st.integers() | st.none() | st.booleans(), max_size=4)


@given(OBJECTS, NAMES, st.text(max_size=5))
def test_one_member_is_set_and_the_others_stay(members, name, value):
    """Whatever they are; and removing it leaves the others."""
    document = json.dumps(members).encode()
    written = with_member(document, name, value.encode(), key="k")
    assert json.loads(written) == {**members, name: value}
    rest = without_member(written, name, key="k")
    left = {key: found for key, found in members.items() if key != name}
    assert (json.loads(rest) if rest is not None else {}) == left
    assert (rest is None) == (not left)


def test_numbers_stay_as_they_are_written():
    """A float would change them."""
    assert with_member(b'{"n":1.50,"big":12345678901234567890}', "a", b"<", key="k") == (
        b'{"a":"<","big":12345678901234567890,"n":1.50}'
    )


def test_without_a_name_it_is_the_whole():
    """Whatever it is."""
    assert with_member(b"old", "", b"\xff", key="k") == b"\xff"
    assert without_member(b"no object", "", key="k") is None


@pytest.mark.parametrize("current", [b"text", b"[1]", b'"a"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_has_no_members(current):
    """That is an error: what is there would be lost."""
    with pytest.raises(UnusableError, match="k: no JSON object"):
        with_member(current, "a", b"x", key="k")
    with pytest.raises(UnusableError, match="k: no JSON object"):
        without_member(current, "a", key="k")


def test_a_member_is_text():
    """What is not is refused, not changed."""
    with pytest.raises(UnusableError, match="not UTF-8"):
        with_member(None, "a", b"\xff", key="k")


def test_only_what_was_pushed_may_be_changed():
    """By the mark that ESO too puts on it."""
    check_managed({"managed-by": "external-secrets", "x": "y"}, "k")
    for marks in ({}, {"managed-by": "terraform"}):
        with pytest.raises(MisconfiguredError, match="k: is there, and was not made by pushing"):
            check_managed(marks, "k")
