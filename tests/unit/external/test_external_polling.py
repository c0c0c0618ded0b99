"""Which versions are asked for, and what is made of no answer."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.controllers.external import held
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.known import Known
from gateway.controllers.external.polling import Pauses, Poller
from gateway.controllers.external.reading import path_of
from gateway.controllers.external.shared import Path
from gateway.controllers.external.uses import Reads, Stamp, Uses
from gateway.kube import Key
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    NoVersionsError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.model import Metadata, Reference

A, B = Key("web", "a"), Key("web", "b")


def path(key: str, generation: str = "1") -> Path:
    return ("SecretStore", "web", "vault", "uid", generation, "", "key", key, "", "None")


@pytest.mark.parametrize("error", [MisconfiguredError("..: no"), ForbiddenError("no"), NotFoundError("gone")])
def test_what_one_key_cannot_do_is_that_keys_alone(error: StoreError) -> None:
    """Its pauses double, up to a bound, and end with an answer; the others of the store are asked for as before."""
    pauses, both = Pauses(10.0), [path("bad"), path("good")]
    assert pauses.failed(both[0], error, 0.0)
    assert pauses.open(both, 4.0) == both[1:]
    assert pauses.open(both, 10.0) == both
    assert not pauses.failed(both[0], error, 10.0)
    assert pauses.open(both, 20.0) == both[1:]
    assert pauses.open(both, 30.0) == both
    for _ in range(20):
        pauses.failed(both[0], error, 100.0)
    assert pauses.open(both, 400.0) == both
    pauses.answered(both[0])
    assert pauses.failed(both[0], error, 400.0)


def test_a_store_without_versions_is_not_asked_until_it_is_another() -> None:
    """Not for any of its paths; said once."""
    pauses, paths = Pauses(10.0), [path("one"), path("two")]
    assert pauses.failed(paths[0], NoVersionsError("KV v1"), 0.0)
    assert not pauses.failed(paths[1], NoVersionsError("KV v1"), 0.0)
    assert pauses.open(paths, 1e9) == []
    changed = [path("one", "2"), path("two", "2")]
    assert pauses.open(changed, 0.0) == changed
    assert pauses.open(paths, 0.0) == paths


@pytest.mark.parametrize("error", [UnavailableError("sealed"), ThrottledError("busy"), UnreadyError("no token")])
def test_a_store_that_does_not_answer_is_asked_in_the_next_round(error: StoreError) -> None:
    """Whether it is worth it, is another's to decide, for all who ask."""
    pauses = Pauses(10.0)
    assert not pauses.failed(path("one"), error, 0.0)
    assert pauses.open([path("one")], 0.0) == [path("one")]


class Answers:
    """What a store says of versions."""

    def __init__(self) -> None:
        self.says: str | Exception = "1"

    async def ask(self, store: Any, namespace: str, question: Any, *, about: str) -> Metadata:
        if isinstance(self.says, Exception):
            raise self.says
        return Metadata(self.says)


async def test_who_has_another_version_is_looked_at() -> None:
    """Who has none that is known, once; and what was read before is not good enough then. A failure changes nothing."""
    known, uses, answers = Known(Claims()), Uses(), Answers()
    document = {
        "metadata": {"name": "vault", "namespace": "web", "uid": "uid", "generation": 1},
        "spec": {"provider": {"vault": {}}},
    }
    known.store_changed("SecretStore", Key("web", "vault"), held.store(document))
    one = path_of(known.store(StoreRef("vault"), "web"), "web", Reference("k"))
    poller = Poller(known, cast("Any", answers), uses, 10.0, lambda _: None)
    uses.note(A, Reads({one: "k"}, {one: Stamp("1")}))
    uses.note(B, Reads({one: "k"}))
    assert await poller.ask(one) == [B]
    assert await poller.ask(one) == []
    before = uses.outdated_at(one)
    answers.says = MisconfiguredError("Secret web/t does not exist")
    assert await poller.ask(one) == []
    answers.says = "2"
    assert await poller.ask(one) == [A, B]
    assert uses.outdated_at(one) > before
    answers.says = ""
    assert await poller.ask(one) == []
    answers.says = AttributeError("'list' object has no attribute 'get'")
    assert await poller.ask(one) == []
