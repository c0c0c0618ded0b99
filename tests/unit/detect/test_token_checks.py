"""Checksums that tokens carry: what fails is no token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_secrets import KINDS, make

from gateway_secrets.detect.formats import tokens_in

CHECKED = ("age_key", "github_token", "grafana_token", "npm_token")


@pytest.mark.parametrize("kind", CHECKED)
@given(seed=st.integers(0, 10**6), at=st.integers(1, 30))
def test_a_changed_character_is_noticed(kind: str, seed: int, at: int) -> None:
    """A token whose checksum is right is found; with one character changed it is none."""
    token = make(kind, str(seed))
    assert [found.checked for found in tokens_in(token)] == [True]
    other = "q" if token[-at].islower() else "Q"
    changed = token[: len(token) - at] + ("9" if token[-at] == other else other) + token[len(token) - at + 1 :]
    if changed != token:
        assert list(tokens_in(changed)) == []


def test_an_unsigned_web_token_is_none() -> None:
    """A JSON web token of the algorithm none, or whose header is no JSON, is not reported."""
    head, claims, signature = make("jwt", "a").split(".")
    assert list(tokens_in(f"{head}.{claims}.{signature}"))
    assert not list(tokens_in(f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.{signature}"))
    assert not list(tokens_in(f"eyJ{head[4:]}x.{claims}.{signature}"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_values_are_made_anew_for_each_seed(kind: str) -> None:
    """The set's generator is deterministic, and but for keys gives another value for another seed."""
    assert make(kind, "a") == make(kind, "a")
    assert make(kind, "a") != make(kind, "b") or "key" in kind


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "regex: ghp_[A-Za-z0-9]{36}",
        "sk_live_000000000000000000000000",
        "https://hooks.slack.com/services/TXXXXXXXX/BXXXXXXXX/XXXXXXXXXXXXXXXXXXXXXXXX",
        "glpat-" + "x" * 20,
    ],
)
def test_stand_ins_are_no_tokens(text: str) -> None:
    """What documentation writes in the place of a token is not reported."""
    assert list(tokens_in(text)) == []
