"""Whose an ExternalSecret is, what is held of objects, and who else works on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from support.external import external_secret

from gateway.controllers.external import held
from gateway.controllers.external.claims import Claims, alone_in
from gateway.controllers.external.events import MAX_MESSAGE_CHARACTERS, event_of, worth_telling
from gateway.controllers.external.failing import Failing
from gateway.controllers.external.generators import watched
from gateway.controllers.external.known import Known
from gateway.controllers.external.leaving import leaves
from gateway.controllers.external.reading import paths_of
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, Key
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.made import FINALIZER
from gateway_secrets.external.spec import StoreRef, spec_of
from gateway_secrets.external.target import Action, Decision, Reason, refused

KEY = Key("web", "db")
MINE = [{"manager": "govgate", "subresource": "status", "time": "2026-11-26T05:00:00Z"}]


def store(name: str = "vault", namespace: str = "web", controller: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {"provider": {"vault": {}}}
    if controller:
        spec["controller"] = controller
    return {"metadata": {"name": name, "namespace": namespace, "uid": "s", "generation": 1}, "spec": spec}


def known(*stores: dict[str, Any], patterns: tuple[str, ...] = ()) -> Known:
    made = Known(Claims(patterns))
    for one in stores:
        made.store_changed("SecretStore", Key(one["metadata"]["namespace"], one["metadata"]["name"]), held.store(one))
    return made


@pytest.mark.parametrize(
    ("controllers", "patterns", "claimed"),
    [
        (["govgate"], (), True),
        ([""], (), False),
        ([""], ("web",), True),
        ([""], ("we*",), True),
        ([None], (), False),
        ([None], ("web",), True),
        (["eso"], ("web",), False),
        (["eso", "govgate"], (), True),
        (["eso", ""], ("web",), False),
    ],
)
def test_claims(controllers: list[str | None], patterns: tuple[str, ...], claimed: bool) -> None:
    """By a store that says so; in namespaces that were handed over, unless a store is another's."""
    assert Claims(patterns).external(controllers, "web") is claimed


@pytest.mark.parametrize(
    ("controllers", "was_ours", "claimed"),
    [
        ([None], True, True),
        ([None, None], True, True),
        ([None, ""], True, False),
        ([None, "eso"], True, False),
        ([""], True, False),
        ([], True, False),
        ([None], False, False),
    ],
)
def test_what_was_ours_stays_so_without_its_stores(
    controllers: list[str | None], was_ours: bool, claimed: bool
) -> None:
    """As long as none that is there is another's."""
    assert Claims().external(controllers, "web", was_ours=was_ours) is claimed


@pytest.mark.parametrize(
    ("controllers", "was_ours", "whose"),
    [
        (["govgate", "govgate"], False, "ours"),
        (["govgate", ""], False, "mixed"),
        (["govgate", "eso"], True, "mixed"),
        (["govgate", None], False, "ours"),
        (["", None], True, "others"),
        ([None], True, "ours"),
        ([None], False, "unknown"),
        ([], True, "unknown"),
    ],
)
def test_whose_a_push_is(controllers: list[str | None], was_ours: bool, whose: str) -> None:
    """Govgate's if all its stores are: of a part of them another controller would go on."""
    assert Claims().pushes(controllers, "web", was_ours=was_ours) == whose
    # Where a namespace was handed over, stores without a controller are govgate's.
    if "" in controllers and "eso" not in controllers:
        assert Claims(("web",)).pushes(controllers, "web") == "ours"


def test_a_store_that_was_given_back_is_not_ours_when_it_goes() -> None:
    """Who had it last is known as long as the process lives; before that, who wrote the status."""
    one = held.external(external_secret() | {"metadata": {**external_secret()["metadata"], "managedFields": MINE}})
    assert one.ours
    assert known().claimed(KEY, one)
    found = known(store(controller="govgate"))
    found.store_changed("SecretStore", Key("web", "vault"), held.store(store()))
    assert not found.claimed(KEY, one)
    found.store_changed("SecretStore", Key("web", "vault"), None)
    assert not found.claimed(KEY, one)
    assert found.pushes([StoreRef("vault")], "web", was_ours=True) == "unknown"
    found.store_changed("SecretStore", Key("web", "vault"), held.store(store(controller="govgate")))
    found.store_changed("SecretStore", Key("web", "vault"), None)
    assert found.claimed(KEY, one)
    assert found.pushes([StoreRef("vault")], "web", was_ours=True) == "ours"


def test_a_store_of_ours_that_cannot_be_read_is_still_ours() -> None:
    """What refers to it is told of that."""
    odd = store(controller="govgate")
    odd["spec"]["provider"] = "x"
    assert known(odd).claimed(KEY, held.external(external_secret()))


def test_labels_of_stores_are_known() -> None:
    """By them PushSecrets choose."""
    one = store()
    one["metadata"]["labels"] = {"tier": "prod"}
    assert known(one).labelled("web") == {StoreRef("vault"): {"tier": "prod"}}


def test_who_is_alone_with_an_object_without_stores() -> None:
    """Nobody told of it in a minute: nobody else is there."""
    one = external_secret()
    one["metadata"]["creationTimestamp"] = "2026-11-26T05:00:00Z"
    made = datetime(2026, 11, 26, 5, tzinfo=UTC).timestamp()
    assert alone_in(one, made + 10) == 50
    assert alone_in(one, made + 60) == 0
    assert alone_in(one | {"status": {"conditions": []}}, made + 60) is None
    one["metadata"]["deletionTimestamp"] = "2026-11-26T05:00:01Z"
    assert alone_in(one, made + 60) is None


def test_who_refers_to_what() -> None:
    """By target, store and uid, and not any more when it is gone."""
    found = known(store(controller="govgate"))
    one = held.external(external_secret())
    found.external_changed(KEY, None, one)
    assert found.claimed(KEY, one)
    assert found.of_target(Key("web", "db")) == found.of_store("SecretStore", Key("web", "vault")) == {KEY}
    assert "uid-of-db" in found
    changed = held.external(external_secret(target={"name": "other"}))
    found.external_changed(KEY, one, changed)
    assert (found.of_target(Key("web", "db")), found.of_target(Key("web", "other"))) == (frozenset(), {KEY})
    found.external_changed(KEY, changed, None)
    assert "uid-of-db" not in found
    assert found.of_store("SecretStore", Key("web", "vault")) == frozenset()


def test_a_store_that_is_not_there_or_not_readable() -> None:
    """Is told of when it is used."""
    found = known({"metadata": {"name": "odd", "namespace": "web"}, "spec": {"provider": "x"}})
    with pytest.raises(SpecError, match="SecretStore none does not exist"):
        found.store(StoreRef("none"), "web")
    with pytest.raises(SpecError, match="SecretStore odd: "):
        found.store(StoreRef("odd"), "web")


def test_one_path_is_one_path() -> None:
    """Five keys of one secret are one; another version, or what is known of it, is another."""
    spec = spec_of(
        external_secret(
            data=[{"secretKey": str(n), "remoteRef": {"key": "k", "property": str(n)}} for n in range(5)],
            dataFrom=[
                {"extract": {"key": "k"}},
                {"extract": {"key": "k", "version": "2"}},
                {"extract": {"key": "k", "metadataPolicy": "Fetch"}},
                {"find": {"path": "p"}},
            ],
        )
    )
    assert len(paths_of(spec, known(store()), "web")) == 4
    assert paths_of(spec, known(), "web") == {}


def test_of_foreign_secrets_nothing_is_held() -> None:
    """Only that they are there."""
    metadata = {"name": "s", "namespace": "web", "resourceVersion": "7", "annotations": {"a": "b"}}
    foreign = held.secret({"metadata": metadata, "data": {"k": "canary"}})
    assert (foreign.text, foreign.version, foreign.document) == (b"", "7", None)
    metadata["annotations"] = {"secrets.govgate.dev/record": "{}"}
    ours = held.secret({"metadata": metadata, "data": {"k": "canary"}})
    assert ours.document is not None
    assert "canary" not in repr(ours)


def status_by(**times: str) -> list[dict[str, str]]:
    return [{"manager": name, "subresource": "status", "time": time} for name, time in times.items()]


def test_who_else_writes_a_status() -> None:
    """Is known by when it did; before govgate took over it is nobody."""
    early, late = "2026-11-26T05:00:00Z", "2026-11-26T05:00:01Z"
    assert held.stranger_of(status_by(govgate=early, eso=late)) == ("eso", late)
    assert held.stranger_of(status_by(govgate=late, eso=early)) == ("", "")
    assert held.stranger_of(status_by(eso=early)) == ("", "")
    assert held.stranger_of(None) == ("", "")
    assert held.was_ours(status_by(govgate=late, eso=early))
    assert not held.was_ours(status_by(govgate=early, eso=late))
    assert not held.was_ours(status_by(eso=early))


def test_a_status_is_no_change() -> None:
    """Of what is decided; a label is one."""
    plain = external_secret()
    one = held.external(external_secret())
    assert held.external(plain | {"status": {"refreshTime": "x"}}).trigger == one.trigger
    labelled = external_secret()
    labelled["metadata"]["labels"] = {"a": "b"}
    assert held.external(labelled).trigger != one.trigger
    assert held.external({"metadata": {"name": "n"}, "spec": {"data": "x", "dataFrom": [1], "target": []}}).stores == ()


def test_its_own_finalizer_is_no_change() -> None:
    """When govgate sets it; that somebody took it away is one, as are others' finalizers."""

    def bearing(*finalizers: str) -> held.Held:
        document = external_secret()
        document["metadata"]["finalizers"] = list(finalizers)
        return held.external(document)

    none, own = held.external(external_secret()), bearing(FINALIZER)
    assert own.says_as(none)
    assert own.says_as(own)
    assert not none.says_as(own)
    assert not bearing(FINALIZER, "other").says_as(own)
    assert not bearing("other").says_as(none)


def test_events() -> None:
    """With ESO's reasons, once for each turn, and never too long."""
    now = datetime(2026, 11, 26, tzinfo=UTC)
    made = event_of(external_secret(), Decision(Action.CREATE, Reason.SYNCED, "m"), now)
    assert (made["type"], made["reason"]) == ("Normal", "Created")
    failed = event_of(external_secret("x" * 253), refused("y" * 5_000), now)
    assert (failed["type"], failed["reason"]) == ("Warning", "UpdateFailed")
    assert (len(failed["metadata"]["name"]), len(failed["message"])) == (253, MAX_MESSAGE_CHARACTERS)
    same = {"status": "False", "reason": "SecretSyncedError", "message": "m"}
    assert not worth_telling(same, dict(same), refused("m"))
    assert worth_telling({}, same, refused("m"))


def test_errors_of_the_api_server_that_are_told() -> None:
    """What it refuses, at once; what may pass, the second time; never that something else was faster."""
    failing = Failing()
    forbidden, broken = ApiError(403, "Forbidden", "m"), ApiError(500, "InternalError", "m")
    assert failing.lasts(KEY, forbidden)
    assert not failing.lasts(KEY, ApiError(409, "Conflict", "m"))
    failing.passed(KEY)
    assert [failing.lasts(KEY, one) for one in (broken, ClusterError("timed out"))] == [False, True]
    failing.passed(KEY)
    assert not failing.lasts(KEY, ApiError(429, "TooManyRequests", "m"))
    assert str(forbidden.about("ConfigMap c")) == "ConfigMap c: 403 Forbidden: m"


def test_a_generator_says_whose_it_is() -> None:
    """As a store does; and what has leases is known by it."""
    entry = {"sourceRef": {"generatorRef": {"kind": "ClusterGenerator", "name": "vault"}}}
    one = held.external(external_secret(dataFrom=[entry]) | {"managedFields": None})
    found = known(patterns=())
    found.external_changed(KEY, None, one)
    shared = Key("", "vault")
    assert (found.claimed(KEY, one), found.makes_leases(KEY, one)) == (False, False)
    for controller, claimed in (("govgate", True), ("", False), ("eso", False)):
        found.generator_changed("ClusterGenerator", shared, controller)
        assert (found.claimed(KEY, one), found.makes_leases(KEY, one)) == (claimed, True)
    assert found.of_generator("ClusterGenerator", shared) == {KEY}
    found.generator_changed("ClusterGenerator", shared, None)
    assert not found.makes_leases(KEY, one)


def test_a_generator_that_does_not_matter_is_not_kept() -> None:
    """A Password has no controller; one of a Vault is another one when it changes."""
    meta = {"name": "x", "uid": "u", "generation": 2}
    assert watched({"metadata": meta, "spec": {"length": 3}}, "Password").controller is None
    one = watched({"metadata": meta, "spec": {"controller": "govgate", "path": "a"}}, "VaultDynamicSecret")
    assert (one.controller, one.version) == ("govgate", "u.2")


@pytest.mark.parametrize(
    ("ending", "finalizers", "leaving"),
    [(True, [FINALIZER], True), (False, [FINALIZER], False), (True, ["other/one"], False)],
)
def test_who_is_deleted_with_leases_is_seen_through(ending: bool, finalizers: list[str], leaving: bool) -> None:
    """Whosever it is by then: nobody else takes the finalizer away."""
    document = external_secret()
    document["metadata"] |= {"finalizers": finalizers} | (
        {"deletionTimestamp": "2026-11-26T00:00:00Z"} if ending else {}
    )
    assert leaves(held.external(document)) is leaving
