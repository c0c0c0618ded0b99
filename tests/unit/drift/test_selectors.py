"""Patterns, globs and label selectors that tenants write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UndecidedError
from webhooks.drift.selectors import MAX_PATTERN_CHARS, MAX_SELECTOR_CHARS, glob, selects, simple_pattern

LABELS = {"a": "1", "b": "", "x.y/z": "v-1.2"}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("a=1", True),
        ("a==1", True),
        ("a = 1", True),
        ("a=2", False),
        ("c=1", False),
        ("a!=1", False),
        ("a!=2", True),
        ("c!=1", True),
        ("a", True),
        ("c", False),
        ("!a", False),
        ("!c", True),
        ("! c", True),
        ("b=", True),
        ("a in (1,2)", True),
        ("a in ( 1 , 2 )", True),
        ("a in (2)", False),
        ("a notin (2, 3)", True),
        ("a notin (1)", False),
        ("c notin (1)", True),
        ("x.y/z=v-1.2", True),
        ("a=1,b=,x.y/z", True),
        ("a in (1,2),c", False),
        ("a=1,!b", False),
    ],
)
def test_label_selectors(selector: str, selected: bool) -> None:
    """Equality, sets, presence and absence; all requirements must hold."""
    assert selects(selector, LABELS) is selected


@pytest.mark.parametrize(
    "selector", ["a=b=c", "a in", "a in (1", "a > 1", "=1", "a b", "(a)", "a," * MAX_SELECTOR_CHARS]
)
def test_unreadable_selectors_are_undecided(selector: str) -> None:
    """They select neither everything nor nothing."""
    with pytest.raises(UndecidedError, match="selector"):
        selects(selector, LABELS)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("api", "api", True),
        ("api", "apis", False),
        ("ap.", "api", True),
        ("ap.*", "api-server", True),
        (".*-server", "api-server", True),
        ("a+", "aaa", True),
        ("apis?", "api", True),
        ("(api|web)", "web", True),
        ("(?:api|web)-1", "api-1", True),
        ("api|web", "web", True),
        ("^api$", "api", True),
        ("[a-c]pi", "bpi", True),
        ("[^a]pi", "api", False),
        (r"a\.b", "a.b", True),
        (r"a\.b", "axb", False),
        (r"api-\d+", "api-12", True),
        (r"\w+", "api", True),
        (r"\d", "٣", False),
    ],
)
def test_patterns_that_cannot_hang(pattern: str, value: str, fits: bool) -> None:
    """Literals, classes, groups of literals and few quantifiers, matched whole, as RE2 would."""
    assert (simple_pattern(pattern).fullmatch(value) is not None) is fits


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(a|aa)*", "(a*)*b", "a{2,}", "(?=a)", r"(a)\1", "(?P<n>a)", "[[:alpha:]]", "a**", "*a", "(a", "a)",
        ".*.*.*", "a+b+c+", "a?b?c?d?e?f?g?", r"\Aa", r"\p{L}", "(?i)a", "x" * (MAX_PATTERN_CHARS + 1), "a\n", "((a))",
    ],
)  # fmt: skip
def test_other_patterns_are_undecided(pattern: str) -> None:
    """What could hang the gateway, or means something else to RE2, is not evaluated."""
    with pytest.raises(UndecidedError, match="is not supported here"):
        simple_pattern(pattern)


@given(st.text(alphabet="ab.*+?()|[]^$\\d{2}-", max_size=20), st.text(alphabet="ab-", max_size=20))
def test_no_pattern_fails_otherwise(pattern: str, value: str) -> None:
    """Whatever a tenant writes is evaluated or refused."""
    try:
        compiled = simple_pattern(pattern)
    except UndecidedError:
        return
    compiled.fullmatch(value)


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("*", "", True),
        ("*", "anything/at:all\n", True),
        ("web", "web", True),
        ("we", "web", False),
        ("w?b", "web", True),
        ("w*b*", "web-1", True),
        ("{web,api}", "api", True),
        ("{web,api}-{1,2}", "api-2", True),
        ("{web,api}-{1,2}", "api-3", False),
        ("https://*.example.com", "https://a.example.com", True),
        ("https://*.example.com", "https://aXexample.com", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a,b", "a,b", True),
        ("{web", "web", False),
        ("web}", "web", False),
        ("{a,{b,c}}", "b", False),
        ("{a}{b}{c}", "abc", False),
        ("*" * (MAX_PATTERN_CHARS + 1), "a", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_globs(pattern: str, value: str, fits: bool) -> None:
    """``*``, ``?`` and ``{a,b}``; brackets are themselves, and what is not readable fits nothing."""
    assert glob(pattern, value) is fits
