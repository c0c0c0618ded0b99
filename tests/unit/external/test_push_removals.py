"""What is not to be stored any more, and cannot be taken away: what else there is goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from gateway.controllers.external.push_worker import PushWorker
from gateway.controllers.metrics import PushMetrics
from gateway.kube import ApiError, Key
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.push import Push
from gateway_secrets.external.push_spec import API_VERSION, KIND, PushData, PushSpec, spec_of
from gateway_secrets.external.push_status import Synced
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.stores.errors import ForbiddenError, ForeignError, UnavailableError

Json = dict[str, Any]
KEY, GONE, DOWN, GOOD = Key("web", "out"), StoreRef("gone"), StoreRef("down"), StoreRef("good")


def entry(name: str) -> PushData:
    spec = spec_of(document({"match": {"secretKey": "a", "remoteRef": {"remoteKey": name}}}))
    return spec.data[0]


def document(*data: Json) -> Json:
    spec = {"secretStoreRefs": [{"name": "good"}], "selector": {"secret": {"name": "s"}}, "data": list(data)}
    meta = {"name": "out", "namespace": "web"}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec | {"deletionPolicy": "Delete"}}


class Stores:
    """In the place of what pushes: one store is gone, one does not answer. Notes what is done, and the Events."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.told: list[str] = []
        self.noted: list[Json] = []
        self.fails: Exception | None = None
        self.refuses = self.foreign = False
        self.wants: Sequence[StoreRef] = (GOOD,)

    def is_gone(self, ref: StoreRef, _: str) -> bool:
        return ref == GONE

    async def holds(self, _: Key, ref: StoreRef, __: Push) -> bool:
        if ref == GONE:
            raise SpecError("does not exist")
        if ref == DOWN:
            raise UnavailableError("sealed")
        return False

    async def replace(self, path: str, document: Json) -> Json:
        if self.refuses:
            raise ApiError(409, "Conflict", "changed")
        self.noted.append(document["status"]["syncedPushSecrets"])
        return document

    async def wanted(self, *_: Any) -> Mapping[StoreRef, list[Push]]:
        return {ref: [Push(entry("new"), b"x")] for ref in self.wants}

    async def store(self, _: Key, ref: StoreRef, push: Push, __: str) -> bool:
        if ref == GONE:
            raise SpecError("does not exist")
        if self.fails is not None:
            raise self.fails
        self.done.append(f"{ref.name}+{push.entry.match.remote_ref.remote_key}")
        return True

    async def remove(self, _: Key, ref: StoreRef, one: PushData) -> None:
        if ref == GONE:
            raise SpecError("does not exist")
        if ref == DOWN:
            raise UnavailableError("sealed")
        if self.foreign:
            raise ForeignError("was not made by pushing")
        self.done.append(f"{ref.name}-{one.match.remote_ref.remote_key}")

    async def create(self, _: str, event: Json) -> Json:
        self.told.append(event["message"])
        return event

    async def push(self, before: Synced) -> tuple[str, Synced]:
        """One look."""
        this = cast("Any", self)
        worker = PushWorker(this, this, this, _at_once, PushMetrics(CollectorRegistry()), least_refresh=10.0)
        spec: PushSpec = spec_of(document())
        problem, synced, _ = await worker._push(KEY, document(), spec, dict.fromkeys(self.wants), before)
        return problem, synced


async def _at_once() -> None:
    pass


async def test_a_store_that_is_gone_is_not_waited_for() -> None:
    """Once it is not asked for any more: what it holds is told of, and forgotten."""
    stores = Stores()
    problem, synced = await stores.push({"SecretStore/gone": {"old": entry("old")}})
    assert (problem, list(synced), stores.done) == ("", ["SecretStore/good"], ["good+new"])
    (told,) = stores.told
    assert "SecretStore gone, which is gone: old" in told


async def test_a_store_that_is_gone_and_asked_for_is_remembered() -> None:
    """It may come again; what it holds is taken away then. Other stores do not wait."""
    stores = Stores()
    stores.wants = (GONE, GOOD)
    before = {"SecretStore/gone": {"old": entry("old")}}
    problem, synced = await stores.push(before)
    assert "SecretStore gone: does not exist" in problem
    assert synced["SecretStore/gone"] == before["SecretStore/gone"]
    assert stores.done == ["good+new"]


async def test_a_removal_that_fails_holds_up_its_own_store_alone() -> None:
    """What comes may be a part of what goes, of the same store."""
    stores = Stores()
    stores.wants = (DOWN, GOOD)
    problem, synced = await stores.push(
        {"SecretStore/down": {"old": entry("old")}, "SecretStore/good": {"old": entry("old")}}
    )
    assert problem == "SecretStore down: sealed"
    assert stores.done == ["good-old", "good+new"]
    assert {store: list(entries) for store, entries in synced.items()} == {
        "SecretStore/down": ["old"], "SecretStore/good": ["new"],
    }  # fmt: skip


async def test_what_is_noted_under_another_name() -> None:
    """By whoever wrote the status: what an entry says counts. What is to be there is not taken away."""
    stores = Stores()
    problem, synced = await stores.push({"SecretStore/good": {"odd": entry("old"), "odder": entry("new")}})
    assert (problem, stores.done) == ("", ["good-old", "good+new"])
    assert synced == {"SecretStore/good": {"new": entry("new")}}


async def test_what_is_to_be_stored_is_noted_first() -> None:
    """Once, and not what is noted already: that is written again at each look."""
    stores = Stores()
    await stores.push({})
    assert [sorted(one["SecretStore/good"]) for one in stores.noted] == [["new"]]
    await stores.push({"SecretStore/good": {"new": entry("new")}})
    assert len(stores.noted) == 1
    assert stores.done == ["good+new", "good+new"]


async def test_nothing_is_stored_that_cannot_be_noted() -> None:
    """As when the PushSecret has changed meanwhile: it is looked at anew."""
    stores = Stores()
    stores.refuses = True
    with pytest.raises(ApiError):
        await stores.push({})
    assert stores.done == []


@pytest.mark.parametrize(
    ("error", "noted"),
    [
        (UnavailableError("too late"), ["new"]),
        (ForbiddenError("no"), []),
        (ForeignError("was not made by pushing"), []),
        (SpecError("does not exist"), []),
    ],
)
async def test_what_may_be_stored_stays_noted(error: Exception, noted: list[str]) -> None:
    """A write without an answer may have been done; a refusal says that it was not."""
    stores = Stores()
    stores.fails = error
    problem, synced = await stores.push({})
    assert problem == f"SecretStore good: {error}"
    assert sorted(synced.get("SecretStore/good", {})) == noted


async def test_a_store_that_never_answered_is_not_noted() -> None:
    """Or a PushSecret with a misspelt server could not be deleted."""
    stores = Stores()
    stores.wants = (DOWN,)
    problem, synced = await stores.push({})
    assert (problem, synced, stores.noted, stores.done) == ("SecretStore down: sealed", {}, [], [])


async def test_what_is_somebody_elses_is_told_of_and_forgotten() -> None:
    """It may have been noted by a process that ended before it was to be stored, and holds nothing up."""
    stores = Stores()
    stores.foreign = True
    problem, synced = await stores.push({"SecretStore/good": {"old": entry("old")}})
    assert (problem, list(synced["SecretStore/good"])) == ("", ["new"])
    (told,) = stores.told
    assert "SecretStore good, where it was not made by pushing: old" in told
