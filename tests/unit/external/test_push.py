"""PushSecrets: what is stored where, what is taken away again, and what is refused."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import Words

from gateway.core.finding import Action
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.faults import refusal
from gateway_secrets.external.push import Push, name_of, pushes_of, stores_of, united, with_template
from gateway_secrets.external.push_spec import API_VERSION, KIND, PushSpec, spec_of
from gateway_secrets.external.push_status import Synced, due_in, outdated, status_of, store_name, synced_of, version
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.external.validate import faults

Json = dict[str, Any]
NOW = datetime(2026, 11, 26, tzinfo=UTC)
STORE = {"name": "vault"}
VAULT = StoreRef("vault")
METADATA = {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": {"x": 1}}


def entry(key: str = "a", remote: str = "team/db", property_: str = "", **more: Any) -> Json:
    ref = {"remoteKey": remote, **({"property": property_} if property_ else {})}
    return {"match": {"remoteRef": ref, **({"secretKey": key} if key else {})}, **more}


def document(*data: Json, **spec: Any) -> Json:
    whole = {"secretStoreRefs": [STORE], "selector": {"secret": {"name": "db"}}, "data": list(data), **spec}
    return {"apiVersion": API_VERSION, "kind": KIND, "spec": whole}


def pushed(*data: Json, **spec: Any) -> PushSpec:
    return spec_of(document(*data, **spec))


def all_of(spec: PushSpec, data: dict[str, bytes], store: StoreRef = VAULT, **labels: str) -> list[Push]:
    return asyncio.run(pushes_of(spec, data, store, labels or None, Words()))


def places(found: list[Push]) -> dict[str, bytes]:
    return {name_of(one.entry): one.value for one in found}


def test_a_key_or_all_of_them() -> None:
    """Without a key, the whole as a JSON object, in one order."""
    found = all_of(pushed(entry("a", "x", "p"), entry("", "y")), {"b": b"2", "a": b"1"})
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
        all_of(pushed(*data), held)
    assert "canary" not in str(caught.value)


@pytest.mark.native
@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"template": {"metadata": {"labels": {"a": "b"}}}}, "spec.template.metadata: is not done here"),
        ({"template": {"data": {"a": "{{ nothing }}"}}}, r"spec.template.data\[a\]"),
        ({"data": [entry(metadata={"x": 1})]}, r"spec.data\[0\].metadata"),
        ({"data": [entry(metadata=METADATA | {"kind": "Other"})]}, "is no PushSecretMetadata"),
        ({"data": [entry(conversionStrategy="Unicode")]}, "conversionStrategy"),
        ({"selector": {"generatorRef": {"kind": "Password", "name": "X"}}}, "spec.selector.generatorRef.name"),
        ({"selector": {"secret": {"selector": {}}}}, "spec.selector.secret.selector"),
        ({"selector": {}}, "names no Secret"),
        ({"secretStoreRefs": [{}]}, "secretStoreRefs"),
        ({"secretStoreRefs": []}, "secretStoreRefs"),
        ({"refreshInterval": "soon"}, "refreshInterval"),
        ({"updatePolicy": "Sometimes"}, "updatePolicy"),
        ({"dataTo": [{}]}, r"spec.dataTo\[0\].storeRef: is missing"),
        ({"dataTo": [{"storeRef": {"name": "other"}}]}, "is none of spec.secretStoreRefs"),
        ({"dataTo": [{"storeRef": STORE, "match": {"regexp": "("}}]}, r"spec.dataTo\[0\].match.regexp"),
        ({"dataTo": [{"storeRef": STORE, "rewrite": [{}]}]}, r"spec.dataTo\[0\].rewrite\[0\]: needs exactly one"),
        ({"dataTo": [{"storeRef": STORE, "rewrite": [{"merge": {}}]}]}, "nothing to merge"),
        ({"dataTo": [{"storeRef": STORE, "metadata": {}}]}, r"spec.dataTo\[0\].metadata"),
    ],
)
def test_what_is_wrong_is_refused_as_a_whole(spec: Json, text: str) -> None:
    """Half of what was asked for is not pushed."""
    said = refusal(faults(document(**spec)))
    assert re.search(text, said), said


@pytest.mark.native
def test_what_may_be_anothers_is_a_warning() -> None:
    """Where govgate is not what resolves them."""
    (found,) = faults(document(selector={"generatorRef": {"kind": "Webhook", "name": "x"}}))
    assert (found.rule, found.here) == ("generator", True)
    assert faults(document(selector={"generatorRef": {"kind": "Password", "name": "x"}})) == []
    both = {"name": "x", "selector": {"matchLabels": {"a": "b"}}}
    (found,) = faults(document(selector={"secret": both}))
    assert (found.rule, found.field, found.action) == ("push", "spec.selector.secret.selector", Action.WARN)
    assert refusal(faults(document(entry(metadata=METADATA)))) == ""


def test_a_template_adds_keys() -> None:
    """And wins over those that are there; what is pushed is what comes out."""
    spec = pushed(entry("url", "x"), template={"data": {"url": "db://{{ .a }}", "b": "new"}})
    made = asyncio.run(with_template(spec, {"a": b"1", "b": b"old"}, {}, Words()))
    assert made == {"a": b"1", "b": b"new", "url": b"db://1"}
    assert places(all_of(spec, made)) == {"x": b"db://1"}


@pytest.mark.native
def test_all_keys_that_match() -> None:
    """Each by itself under a rewritten name, but for those that ``data`` names; or all as one object."""
    held = {"DB_A": b"1", "DB_B": b"2", "other": b"3"}
    rewrite = [{"regexp": {"source": "^DB_", "target": "team/"}}, {"transform": {"template": "{{ .value }}-x"}}]
    every = {"storeRef": STORE, "match": {"regexp": "^DB_"}, "rewrite": rewrite}
    assert places(all_of(pushed(dataTo=[every]), held)) == {"team/A-x": b"1", "team/B-x": b"2"}
    assert places(all_of(pushed(entry("DB_A", "own"), dataTo=[every]), held)) == {"own": b"1", "team/B-x": b"2"}
    bundle = {"storeRef": STORE, "match": {"regexp": "^DB_"}, "remoteKey": "team/all"}
    assert places(all_of(pushed(dataTo=[bundle]), held)) == {"team/all": b'{"DB_A":"1","DB_B":"2"}'}
    assert all_of(pushed(dataTo=[{"storeRef": STORE, "match": {"regexp": "absent"}, "remoteKey": "x"}]), held) == []


@pytest.mark.native
@pytest.mark.parametrize(
    ("ref", "labels", "meant"),
    [
        (STORE, {}, True),
        ({"name": "other"}, {}, False),
        ({"name": "vault", "kind": "ClusterSecretStore"}, {}, False),
        ({"labelSelector": {"matchLabels": {"to": "all"}}}, {"to": "all"}, True),
        ({"labelSelector": {"matchLabels": {"to": "all"}}}, {}, False),
    ],
)
def test_to_which_store(ref: Json, labels: dict[str, str], meant: bool) -> None:
    """To the one that is named, and no other."""
    spec = pushed(dataTo=[{"storeRef": ref}])
    assert bool(all_of(spec, {"a": b"1"}, VAULT, **labels)) is meant


@pytest.mark.native
def test_keys_as_they_were() -> None:
    """What an ExternalSecret wrote as ``_U002f_`` is a slash again, before keys are matched."""
    held = {"a_U002f_b": b"1", "c_Ud800_": b"2"}
    reverse = {"conversionStrategy": "ReverseUnicode"}
    assert places(all_of(pushed(entry("a/b", "x", **reverse)), held)) == {"x": b"1"}
    every = {"storeRef": STORE, "match": {"regexp": "/"}, **reverse}
    assert places(all_of(pushed(dataTo=[every]), held)) == {"a/b": b"1"}
    assert all_of(pushed(entry("a_U002f_b", "x"), dataTo=[every]), held)[0].reference.key == "x"
    assert len(all_of(pushed(entry("a_U002f_b", "x"), dataTo=[every]), held)) == 1
    with pytest.raises(SpecError, match="two keys become one"):
        all_of(pushed(entry("", "x", **reverse)), {"a_U002f_b": b"1", "a/b": b"2"})


@pytest.mark.native
@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (pushed(entry("a", "x"), entry("b", "x")), "two values are to be stored as 'x'"),
        (pushed(dataTo=[{"storeRef": STORE}, {"storeRef": STORE}]), "two values are to be stored as 'a'"),
        (
            pushed(dataTo=[{"storeRef": STORE, "rewrite": [{"regexp": {"source": ".*", "target": ""}}]}]),
            "leaves nothing of the key 'a'",
        ),
    ],
)
def test_what_has_no_place_of_its_own_is_refused(spec: PushSpec, text: str) -> None:
    """One of them would be lost."""
    with pytest.raises(SpecError, match=text):
        all_of(spec, {"a": b"1", "b": b"2"})


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
    shall = dict.fromkeys(stores, spec.data)
    stored = {(store, name) for store, entries in synced.items() for name in entries}
    assert {(store_name(ref), name_of(one)) for ref, one in outdated(synced, shall)} == stored - wanted
    assert {(store_name(ref), name_of(one)) for ref, one in outdated(synced, {})} == stored
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


def test_several_secrets() -> None:
    """All of each, unless two would be in one place: which of them won would be chance."""
    one, two = ([Push(pushed(entry("a", remote)).data[0], b"x")] for remote in ("x", "y"))
    assert united({"first": one, "second": two}) == [*one, *two]
    with pytest.raises(SpecError, match="of the Secrets first and second, both are to be stored as 'x'"):
        united({"first": one, "second": one})


@pytest.mark.parametrize(
    ("change", "interval", "due"),
    [
        ({}, 60.0, 40.0),
        ({}, None, None),
        ({}, 10.0, 0.0),
        ({"syncedResourceVersion": "1-other"}, None, 0.0),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, 60.0, 0.0),
        ({"refreshTime": None}, 60.0, 0.0),
    ],
)
def test_when_a_generator_makes_anew(change: Json, interval: float | None, due: float | None) -> None:
    """When the PushSecret changed, each interval, and after what failed: not when a controller comes, nor a store changes."""
    made = document() | {"metadata": {"generation": 1, "labels": {"a": "b"}}}
    made["status"] = status_of({}, "", {}, version(made), NOW) | change
    assert due_in(made, interval, NOW.timestamp() + 20) == due
    assert due_in(document() | {"metadata": {}}, interval, NOW.timestamp()) == 0.0
