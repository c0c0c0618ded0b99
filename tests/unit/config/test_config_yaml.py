"""YAML is read as Kubernetes reads it, not as PyYAML does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcyno1.", max_size=4), inner, max_size=3),
    max_leaves=10,
)


def scalar(text: str) -> Any:
    return read_yaml(f"a: {text}\n", source="f")["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")),
        *((text, False) for text in ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")),
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((f'"{text}"', text) for text in ("y", "no", "off", "null", "~", "1", "1.5", "1:30", "")),
        *((f"'{text}'", text) for text in ("yes", "0o17", "2026-01-01")),
        ("yEs", "yEs"),
        ("nULL", "nULL"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("1", 1),
        ("-1", -1),
        ("+1", 1),
        ("1_000", 1000),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("-0x1f", -31),
        ("0", 0),
        ("08", 8),
        ("1.5", 1.5),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5e1", 15),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("1Gi", "1Gi"),
        ("500m", "500m"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    """Booleans in all their spellings, numbers in all bases; times, dates and sexagesimals are strings."""
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@given(json_values)
def test_json_is_yaml(value: Any) -> None:
    """Every JSON document reads as itself."""
    assert read_yaml(json.dumps(value, ensure_ascii=False), source="f") == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", "f:2: duplicate key 'a'"),
        ("a: 1\n'a': 2\n", "f:2: duplicate key 'a'"),
        ("b:\n  c: {d: 1, d: 2}\n", "f:2: duplicate key 'd'"),
        ("a: &x 1\nb: *x\n", "f:2: aliases are not allowed here"),
        ("? [a]\n: 1\n", "f:1: a key must be a string"),
        ("a: 1\n---\nb: 2\n", "f:2: but found another document"),
        ("a: [1\n", "f:2: "),
        ("a: !!python/object:os.system x\n", "f:1: could not determine a constructor"),
        ("a: !custom x\n", "f:1: could not determine a constructor"),
        ("a: !!int x\n", "f: ValueError: not readable as YAML"),
        ("\x00", "f"),
        ("a: " + "[" * 101 + "]" * 101, "f:1: nested too deeply"),
        ("a: " + "{a: " * 101 + "1" + "}" * 101, "f:1: nested too deeply"),
        ("[" * 100_000, "f:1: nested too deeply"),
        ("a: !!bool maybe\n", "f:1: no boolean"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    """With the file and the line: duplicate keys, aliases, several documents, other languages' objects, depth."""
    with pytest.raises(ConfigError) as raised:
        read_yaml(text, source="f")
    assert str(raised.value).startswith(problem)
    assert "\n" not in str(raised.value)


def test_depth_is_counted_not_length() -> None:
    """A hundred levels are fine, and a thousand siblings."""
    assert read_yaml("[" * 100 + "]" * 100, source="f")
    assert len(read_yaml("- []\n" * 1_000, source="f")) == 1_000


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null"])
def test_no_content_is_none(text: str) -> None:
    """An empty file is a configuration with nothing changed."""
    assert read_yaml(text, source="f") is None
