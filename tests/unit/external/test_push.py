"""PushSecrets: what is stored where, what is taken away again, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.push import (
    PushSpec,
    Synced,
    name_of,
    outdated,
    push_of,
    pushes_of,
    status_of,
    store_name,
    stores_of,
    synced_of,
)
from gateway_secrets.external.spec import StoreRef

Json = dict[str, Any]
NOW = datetime(2026, 11, 26, tzinfo=UTC)
STORE = {"name": "vault"}


def entry(key: str = "a", remote: str = "team/db", property_: str = "") -> Json:
    ref = {"remoteKey": remote, **({"property": property_} if property_ else {})}
    return {"match": {"remoteRef": ref, **({"secretKey": key} if key else {})}}


def pushed(*data: Json, **spec: Any) -> PushSpec:
    whole = {"secretStoreRefs": [STORE], "selector": {"secret": {"name": "db"}}, "data": list(data), **spec}
    return push_of({"spec": whole})


def test_a_key_or_all_of_them() -> None:
    """Without a key, the whole as a JSON object, in one order."""
    found = pushes_of(pushed(entry("a", "x", "p"), entry("", "y")), {"b": b"2", "a": b"1"})
    assert [(one.reference.key, one.reference.property, one.value) for one in found] == [
        ("x", "p", b"1"),
        ("y", "", b'{"a":"1","b":"2"}'),
    ]
    assert "1" not in repr(found[0])


@pytest.mark.parametrize(
    ("data", "held", "text"),
    [
        ([entry("absent")], {"a": b"canary"}, r"data\[0\].match.secretKey: the Secret has no key 'absent'"),
        ([entry("")], {"a": b"canary\xff"}, "not UTF-8"),
    ],
)
def test_what_is_not_there_is_said(data: list[Json], held: dict[str, bytes], text: str) -> None:
    """By the field, and without a value."""
    with pytest.raises(SpecError, match=text) as caught:
        pushes_of(pushed(*data), held)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"dataTo": [{}]}, "spec.dataTo"),
        ({"template": {"data": {}}}, "spec.template"),
        ({"data": [entry() | {"metadata": {"x": 1}}]}, r"spec.data\[0\].metadata"),
        ({"data": [entry() | {"conversionStrategy": "ReverseUnicode"}]}, "conversionStrategy"),
        ({"selector": {"generatorRef": {"kind": "Password", "name": "x"}}}, "spec.selector.generatorRef"),
        ({"selector": {"secret": {"selector": {}}}}, "spec.selector.secret.selector"),
        ({"selector": {}}, "names no Secret"),
        ({"secretStoreRefs": [{}]}, "secretStoreRefs"),
        ({"refreshInterval": "soon"}, "spec"),
        ({"updatePolicy": "Sometimes"}, "updatePolicy"),
    ],
)
def test_what_is_not_done_here_is_refused_as_a_whole(spec: Json, text: str) -> None:
    """Half of what was asked for is not pushed."""
    with pytest.raises(SpecError, match=text):
        push_of({"spec": {"secretStoreRefs": [STORE], "selector": {"secret": {"name": "db"}}, **spec}})


def test_stores_by_name_and_label() -> None:
    """Each once; labels select among those of the kind."""
    refs = [STORE, {"kind": "ClusterSecretStore", "labelSelector": {"matchLabels": {"to": "all"}}}, STORE]
    labelled = {
        StoreRef("a", "ClusterSecretStore"): {"to": "all"},
        StoreRef("b", "ClusterSecretStore"): {},
        StoreRef("c"): {"to": "all"},
    }
    assert stores_of(pushed(secretStoreRefs=refs), labelled) == [StoreRef("vault"), StoreRef("a", "ClusterSecretStore")]


ENTRIES = st.lists(
    st.builds(entry, st.sampled_from(["a", ""]), st.sampled_from(["x", "y"]), st.sampled_from(["", "p", "q"])), max_size=4
)  # fmt: skip


@given(ENTRIES, ENTRIES, st.sampled_from([[], ["vault"], ["vault", "other"]]))
def test_taken_away_is_what_was_stored_and_is_not_wanted(
    before: list[Json], after: list[Json], names: list[str]
) -> None:
    """No more and no less, in whatever store; without a spec, all that was stored."""
    first = {f"SecretStore/{name}": {name_of(one): one for one in pushed(*before).data} for name in ("vault", "gone")}
    synced: Synced = {store: entries for store, entries in first.items() if entries}
    spec, stores = pushed(*after), [StoreRef(name) for name in names]
    wanted = {(store_name(ref), name_of(one)) for ref in stores for one in spec.data}
    stored = {(store, name) for store, entries in synced.items() for name in entries}
    assert {(store_name(ref), name_of(one)) for ref, one in outdated(synced, spec, stores)} == stored - wanted
    assert {(store_name(ref), name_of(one)) for ref, one in outdated(synced, None, ())} == stored
    assert synced_of(status_of({}, "", synced, "1", NOW)) == synced


def test_status() -> None:
    """As ESO writes it; an error keeps the time of the last success."""
    spec = pushed(entry("a", "x", "p"))
    good = status_of({}, "", {"SecretStore/vault": {"x/p": spec.data[0]}}, "1", NOW)
    assert good["conditions"][0]["reason"] == "Synced"
    assert good["syncedPushSecrets"] == {
        "SecretStore/vault": {
            "x/p": {
                "match": {"remoteRef": {"remoteKey": "x", "property": "p"}, "secretKey": "a"},
                "conversionStrategy": "None",
            }
        }
    }
    bad = status_of(good, "why", {}, "2", NOW)
    assert (bad["conditions"][0]["status"], bad["conditions"][0]["message"]) == ("False", "why")
    assert bad["refreshTime"] == good["refreshTime"] == "2026-11-26T00:00:00Z"
    assert synced_of({"syncedPushSecrets": 7}) == {}
