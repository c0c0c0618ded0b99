"""Whose an ExternalSecret is, what is held of objects, and who else works on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from support.external import external_secret

from gateway.controllers.external import held
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.events import MAX_MESSAGE_CHARACTERS, event_of, worth_telling
from gateway.controllers.external.known import Known
from gateway.controllers.external.reading import paths_of
from gateway.kube import Key
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.spec import StoreRef, spec_of
from gateway_secrets.external.target import Action, Decision, Reason, refused

KEY = Key("web", "db")


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


def test_a_status_is_no_change() -> None:
    """Of what is decided; a label is one."""
    plain = external_secret()
    one = held.external(external_secret())
    assert held.external(plain | {"status": {"refreshTime": "x"}}).trigger == one.trigger
    labelled = external_secret()
    labelled["metadata"]["labels"] = {"a": "b"}
    assert held.external(labelled).trigger != one.trigger
    assert held.external({"metadata": {"name": "n"}, "spec": {"data": "x", "dataFrom": [1], "target": []}}).stores == ()


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
