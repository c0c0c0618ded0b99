"""Which of several controllers works on a namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.controller import External
from gateway.controllers.external.shards import Shard, shard_of
from gateway.core.errors import ConfigError


@given(st.text("abc-0123456789", min_size=1, max_size=20), st.integers(1, 64))
def test_each_namespace_has_one(namespace: str, count: int) -> None:
    """Exactly one, however many there are."""
    assert sum(Shard(index, count).has(namespace) for index in range(count)) == 1


def test_all_have_their_part() -> None:
    """About as much as the others."""
    parts = [sum(Shard(index, 4).has(f"team-{number}") for number in range(1_000)) for index in range(4)]
    assert min(parts) > 200


def test_which_one_it_is() -> None:
    """As it is told, else by the number at the end of the host's name."""
    assert shard_of(External(), "any") == Shard()
    assert shard_of(External(shards=3, shard=2), "any") == Shard(2, 3)
    assert shard_of(External(shards=3), "govgate-controller-1") == Shard(1, 3)


@pytest.mark.parametrize(("shard", "host"), [(-1, "laptop"), (3, "any"), (-1, "govgate-controller-3")])
def test_one_that_is_none(shard: int, host: str) -> None:
    """Is an error: two that worked on the same, or a part that nobody works on, would go unnoticed."""
    with pytest.raises(ConfigError, match="shard"):
        shard_of(External(shards=3, shard=shard), host)
